"""Small models, deterministic clients and an in-process Grid for tests of the run's process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from fedbed import flower

Arrays = dict[str, "np.ndarray[Any, Any]"]
NODES = 6


def model() -> Arrays:
    return {
        "a": np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4),
        "b": np.ones(5, np.float32),
    }


def train(arrays: Arrays, number: int, node: int) -> tuple[Arrays, dict[str, Any]]:
    """What a node answers: depends on the model, the round and the node only."""
    seed = hashlib.sha256(f"{number} {node}".encode()).digest()[:4]
    rng = np.random.default_rng(int.from_bytes(seed, "little"))
    new = {
        k: (v * 0.9 + np.asarray(rng.normal(0, 0.1, v.shape))).astype(v.dtype)
        for k, v in arrays.items()
    }
    return new, {"num-examples": 10 + node, "loss": 1.0 / (number + node)}


def answer(message: Message, number: int) -> Message:
    """Run one client."""
    arrays, _, _ = flower.split_records(message.content)
    (held,) = [flower.ndarrays_of(record) for record in arrays.values()]
    node = message.metadata.dst_node_id
    if message.metadata.message_type == "train":
        new, metrics = train(held, number, node)
        content = flower.join_records({"arrays": flower.array_of(new)}, {"metrics": metrics}, {})
    else:
        score = float(sum(v.sum() for v in held.values()))
        content = flower.join_records(
            {}, {"metrics": {"num-examples": node, "accuracy": score}}, {}
        )
    return flower.reply(message, content)


class LocalGrid(Grid):
    """Answers in process; the attributes are those that the driver looks at."""

    def __init__(self) -> None:
        flower.become(7, flower.SERVER_NODE_ID)
        self._run = flower.empty_run(7)
        self.lazy = False
        self.round = 0
        self.exchanges = 0
        self.bytes_up = self.bytes_down = 0
        self.log: list[Any] = []
        self._sent = 0

    def set_run(self, run: Run) -> None:
        self._run = run

    @property
    def run(self) -> Run:
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        return list(range(1, NODES + 1))

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        raise NotImplementedError

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        raise NotImplementedError

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        sent = sorted(messages, key=lambda m: m.metadata.dst_node_id)
        for message in sent:
            self._sent += 1
            flower.assign_message_id(message, f"m.{self._sent}")
        self.exchanges += 1
        number = int(str(sent[0].content["config"]["server-round"])) if sent else 0
        return [answer(message, number) for message in sent]

    def take_files(self) -> list[Path]:
        self.log.clear()
        return []


def bits(record: ArrayRecord) -> dict[str, bytes]:
    return {k: v.tobytes() for k, v in flower.ndarrays_of(record).items()}
