"""The link between coordinator and nodes: messages, records and result envelopes.

Standard library only, Python 3.8: the light daemon of a node imports this package.
"""
