"""What a run's history tells of its nodes, as selections and the pace of rounds want it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from coordinator.runner.exchanges import BUSY, Participant
from coordinator.runs.window import TOO_LATE
from fedbed.selection import Candidate, Part

_ONCE = "start_s"
"""Starting the worker: once per run, so that it says nothing of the rounds to come."""


class Records:
    """Gathers history entries, each once; a resumed run reads them all again."""

    def __init__(self) -> None:
        self._read = 0
        self._parts: dict[int, list[Part]] = {}
        self._scores: dict[int, list[tuple[int, float]]] = {}
        self._samples: dict[int, int] = {}
        self._notes: dict[int, Mapping[str, Any]] = {}

    def read(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Take in what has been added to a run's history."""
        for entry in history[self._read :]:
            self._take(entry)
        self._read = len(history)

    def notes(self) -> dict[int, Mapping[str, Any]]:
        """What the selection wrote down, by round."""
        return dict(self._notes)

    def parts(self, partition: int) -> tuple[Part, ...]:
        """A node's part in each round that asked it, in order."""
        return tuple(self._parts.get(partition, ()))

    def candidates(
        self, participants: Iterable[Participant], sizes: Mapping[int, int]
    ) -> tuple[Candidate, ...]:
        """Describe nodes to a selection. sizes: samples by partition, where the run deals them."""
        return tuple(
            Candidate(
                partition=p.partition,
                name=p.name,
                labels=p.labels,
                cpus=int(p.profile.get("cpus") or 1),
                samples=sizes.get(p.partition, self._samples.get(p.partition, 1)),
                parts=self.parts(p.partition),
                scores=tuple(self._scores.get(p.partition, ())),
            )
            for p in participants
        )

    def _take(self, entry: Mapping[str, Any]) -> None:
        number = int(entry["round"])
        for node in entry["nodes"]:
            partition, metrics = int(node["partition"]), node["metrics"]
            self._parts.setdefault(partition, []).append(_delivered(number, node))
            self._samples[partition] = int(metrics.get("num-examples", 1))
        for partition, why in entry["missing"].items():
            late = why == TOO_LATE
            seconds = float(entry.get("train_s", 0.0)) if late else 0.0
            part = Part(number, delivered=False, late=late, seconds=seconds)
            self._parts.setdefault(int(partition), []).append(part)
        for partition, score in entry.get("scores", {}).items():
            self._scores.setdefault(int(partition), []).append((number, float(score)))
        if "selection" in entry:
            self._notes[number] = entry["selection"]["note"]


def _delivered(number: int, node: Mapping[str, Any]) -> Part:
    timeline, upload_s = node["timeline"], float(node["upload_s"])
    busy_s = sum(float(timeline.get(key) or 0.0) for key in BUSY if key != _ONCE)
    loss = node["metrics"].get("train_loss")
    return Part(
        number,
        delivered=True,
        seconds=busy_s + upload_s,
        download_s=float(timeline.get("download_s") or 0.0),
        upload_s=upload_s,
        loss=None if loss is None else float(loss),
    )
