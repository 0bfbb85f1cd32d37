"""An optimiser's state as arrays that travel with the weights, to be averaged like them.

Nodes that begin each round without momentum lose what a machine with all the data would have kept.
Averaging the momentum with the weights gives it back: Yu, Jin & Yang (arXiv 1905.03817) for SGD,
Chen, Li & Li (arXiv 2109.05109) for Adam's moments. It costs one more array per weight with SGD,
two with AdamW, both ways.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Tuple

import numpy as np

PREFIX = "moments/"
"""Begins the names of the arrays; no task's weight is called so."""

Arrays = Dict[str, "np.ndarray[Any, Any]"]


def parted(arrays: Mapping[str, np.ndarray[Any, Any]]) -> Tuple[Arrays, Arrays]:
    """Return the weights, and the moments without their prefix."""
    weights = {name: array for name, array in arrays.items() if not name.startswith(PREFIX)}
    held = {n[len(PREFIX) :]: array for n, array in arrays.items() if n.startswith(PREFIX)}
    return weights, held


def named(held: Mapping[str, np.ndarray[Any, Any]]) -> Arrays:
    """Return moments with their prefix, as they travel."""
    return {PREFIX + name: array for name, array in held.items()}
