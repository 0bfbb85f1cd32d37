"""The nodes: who they are, whether they are in contact, what they are doing."""
