"""The node: a light daemon that outlives everything, and a worker child that holds torch.

The daemon imports the standard library and psutil alone, and keeps to Python 3.8.
"""
