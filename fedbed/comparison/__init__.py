"""Comparisons of variants over seeds: what is to be run, what came of it, and how sure that is.

Everything here but `store` and `carrying` is pure; `fedbed.cli.compare` binds it to a coordinator.
"""
