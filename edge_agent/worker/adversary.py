"""Updates falsified on purpose: how a robust strategy is put to the test."""

from __future__ import annotations

from typing import Any, Dict, Mapping

import numpy as np

from fedbed.errors import ExperimentError
from fedbed.link.messages import Poison

Arrays = Mapping[str, "np.ndarray[Any, Any]"]


def spoil(poison: Poison, sent: Arrays, trained: Arrays) -> Dict[str, np.ndarray[Any, Any]]:
    """Return what an adversary sends instead of what it has trained.

    With u for the update, that is what it trained less what it was sent: `sign-flip` sends
    -scale * u, `scale` sends scale * u, `noise` sends Gaussian noise that is `scale` times as long
    as u, `nan` sends NaN. Arrays of integers stay as they are. ExperimentError for another kind.
    """
    floats = {name: array for name, array in trained.items() if array.dtype.kind == "f"}
    if poison.kind == "nan":
        spoilt = {name: np.full_like(array, np.nan) for name, array in floats.items()}
    elif poison.kind in ("sign-flip", "scale"):
        factor = poison.scale if poison.kind == "scale" else -poison.scale
        spoilt = {name: sent[name] + factor * (a - sent[name]) for name, a in floats.items()}
    elif poison.kind == "noise":
        spoilt = _noise(poison, sent, floats)
    else:
        raise ExperimentError(f"this node knows no adversary '{poison.kind}': update its agent")
    return {
        name: spoilt[name].astype(array.dtype) if name in spoilt else array
        for name, array in trained.items()
    }


def _noise(poison: Poison, sent: Arrays, floats: Arrays) -> Dict[str, np.ndarray[Any, Any]]:
    random = np.random.RandomState(poison.seed % 2**32)
    drawn = {name: np.asarray(random.standard_normal(a.shape)) for name, a in floats.items()}
    update = {name: array - sent[name] for name, array in floats.items()}
    factor = poison.scale * _norm(update) / (_norm(drawn) or 1.0)
    return {name: sent[name] + factor * noise for name, noise in drawn.items()}


def _norm(arrays: Arrays) -> float:
    return float(np.sqrt(sum(np.square(a, dtype=np.float64).sum() for a in arrays.values())))
