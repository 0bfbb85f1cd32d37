"""Strategies of our own, on Flower's base class; an experiment names them as it does Flower's.

Importing a module of this package imports Flower, which takes 0.3 s: `classes` does it when asked.
Adding a strategy is one module with one class, one line here, and a paragraph in
docs/strategies.md. Arguments of its constructor are what a file may set, as far as they are
numbers, text, true or false, one of a `Literal`, or another strategy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Dict, Type, cast

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy

_MODULES = {
    "AverageOfRounds": "average_of_rounds",
    "FedAsync": "fedasync",
    "FedBuff": "fedbuff",
    "PooledStatistics": "pooled_statistics",
    "Reweighted": "reweighted",
}


def classes() -> Dict[str, Type[Strategy]]:
    """Return our strategies by name; ImportError where Flower isn't installed."""
    return {
        name: cast("Type[Strategy]", getattr(import_module(f"{__name__}.{module}"), name))
        for name, module in _MODULES.items()
    }
