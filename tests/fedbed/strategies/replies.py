"""Replies of nodes, made up, for tests of strategies."""

from __future__ import annotations

from typing import Any

import numpy as np
from flwr.app import ArrayRecord, Message

from fedbed import flower

Arrays = dict[str, "np.ndarray[Any, Any]"]


def reply(node: int, arrays: Arrays, **metrics: Any) -> Message:
    """What a node answers to a message that asks it to train."""
    flower.become(7, flower.SERVER_NODE_ID)
    asked = Message(flower.join_records({}, {}, {}), node, "train", group_id="1")
    flower.assign_message_id(asked, f"m.{node}")
    counted = {"num-examples": 10, **metrics}
    content = flower.join_records({"arrays": flower.array_of(arrays)}, {"metrics": counted}, {})
    return flower.reply(asked, content)


def values(record: ArrayRecord | None) -> Arrays:
    """The arrays of a model that a strategy made."""
    assert record is not None
    return flower.ndarrays_of(record)
