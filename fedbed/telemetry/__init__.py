"""What is measured, by which names, and how it travels."""
