"""What reports are made of, a run's as well as a comparison's: drawings, words and templates.

Imported where a page is made, never by a node: it takes matplotlib and jinja2.
"""
