"""What is measured, by which names, and how it travels: shared by nodes, the centre and dashboards."""
