"""Seeded faults against a running testbed, and what must hold all the same."""
