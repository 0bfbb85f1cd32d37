"""Runs: their queue, the rounds they put out to nodes, the processes that drive them."""
