"""Updates shortened on the node, before anybody sees them: for client-side differential privacy.

What `fixedclipping_mod` and `adaptiveclipping_mod` of Flower do for ClientApps, for native tasks.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Tuple

import numpy as np

Arrays = Mapping[str, "np.ndarray[Any, Any]"]
CLIPPING_NORM = "clipping_norm"
"""The key of the configuration under which Flower's strategies send the limit."""
NORM_BIT = "norm_bit"
"""The metric that tells them whether an update was longer."""


def clip(
    limit: float, sent: Arrays, trained: Arrays
) -> Tuple[Dict[str, np.ndarray[Any, Any]], bool]:
    """Return the arrays with their difference to what was sent no longer than `limit` (L2 norm).

    Also returns whether it was longer. FlatClip of McMahan et al. (arXiv 1710.06963), over all
    arrays of floats; others stay as they are. A difference that isn't finite becomes none at all.
    """
    updates = {
        name: np.subtract(array, sent[name], dtype=np.float64)
        for name, array in trained.items()
        if array.dtype.kind == "f"
    }
    norm = float(np.sqrt(sum(float(np.square(update).sum()) for update in updates.values())))
    if norm <= limit:
        return dict(trained), False
    factor = limit / norm if np.isfinite(norm) else 0.0
    clipped = dict(trained)
    for name, update in updates.items():
        shorter = update * factor if factor else 0.0
        clipped[name] = (sent[name] + shorter).astype(trained[name].dtype)
    return clipped, True
