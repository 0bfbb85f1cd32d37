"""Hostile and random input: shallow in `make test`, deep in `make fuzz`."""
