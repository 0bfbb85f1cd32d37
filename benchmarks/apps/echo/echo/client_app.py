"""The ClientApp: moves every weight a little, in numpy or by way of torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()
STEP = np.float32(1e-3)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Return the model with another seed's noise on it, as training for a moment would."""
    arrays = message.content.array_records["arrays"]
    if context.run_config["framework"] == "torch":
        moved = _by_torch(arrays, context.node_id)
    else:
        moved = _by_numpy(arrays, context.node_id)
    metrics = MetricRecord({"num-examples": 1, "train_loss": 0.0})
    return Message(RecordDict({"arrays": moved, "metrics": metrics}), reply_to=message)


def _by_numpy(arrays: ArrayRecord, seed: int) -> ArrayRecord:
    noise = _noise(seed)
    moved = {}
    for name, array in arrays.items():
        values = array.numpy()
        if values.dtype == np.float32:
            _add(values.reshape(-1), noise)
        moved[name] = Array(values)
    return ArrayRecord(moved)


def _by_torch(arrays: ArrayRecord, seed: int) -> ArrayRecord:
    import torch

    noise = torch.from_numpy(_noise(seed))
    state = arrays.to_torch_state_dict()
    for values in state.values():
        if values.dtype == torch.float32:
            _add(values.view(-1), noise)
    return ArrayRecord(state)


def _add(values: Any, noise: Any) -> None:
    """Add the noise to flat values in place, over and over to their end."""
    for start in range(0, len(values), len(noise)):
        block = values[start : start + len(noise)]
        block += noise[: len(block)]


def _noise(seed: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return float32 (65521,): cheap to make, and too long to be found again by a compressor."""
    values = np.random.default_rng(seed % 2**32).standard_normal(65521, np.float32)
    return values * STEP
