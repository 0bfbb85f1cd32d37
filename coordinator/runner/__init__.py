"""The run's process: holds the Flower strategy and drives the rounds through the coordinator.

One process per run, because flwr keeps process-global identity and because a strategy's crash must
not take the fleet down.
"""
