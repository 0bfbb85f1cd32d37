"""The node: a light daemon that outlives everything, and a worker child that holds torch.

The daemon imports the standard library, psutil and, with a broker, paho-mqtt alone, and keeps to
Python 3.8.
"""
