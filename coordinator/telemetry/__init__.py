"""What the coordinator tells databases and monitoring of itself, its nodes and its runs."""
