"""The worker child: imports the app once, then trains and evaluates until its input closes.

It may run in another interpreter than the daemon (`--worker-python`), the one that has torch.
"""
