"""An exchange with nodes as the run's process sees it: what went out, what came back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flwr.app import Message

from coordinator.fleet import offences
from coordinator.runner.replies import Reply
from coordinator.runner.screen import Complaint
from coordinator.runner.sent import Sent
from fedbed.link.messages import WorkItem

BUSY = ("download_s", "start_s", "decode_s", "work_s", "encode_s")
"""What a node does in an exchange besides waiting and sending, by the keys of its timeline."""


@dataclass(frozen=True)
class Participant:
    """A node of this run."""

    partition: int
    name: str
    compressors: tuple[str, ...]
    codecs: tuple[str, ...]
    profile: dict[str, Any]
    agent: dict[str, Any]
    host: str = ""
    """Of a virtual node, the name of the real one that plays it."""
    labels: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, node: dict[str, Any]) -> Participant:
        """Build one from the coordinator's answer."""
        name, host = str(node["name"]), str(node["node"])
        return cls(
            int(node["partition"]),
            name,
            tuple(node["compressors"]),
            tuple(node["profile"]["codecs"]),
            node["profile"],
            node["agent"],
            labels=node["labels"],
            host=host if host != name else "",
        )


@dataclass(frozen=True)
class Exchanged:
    """A finished exchange, for the run's history. Seconds throughout."""

    kind: str
    asked: int
    reason: str
    limit_s: float
    """After how long its last try would have closed at the latest."""
    missing: dict[int, str]
    bounded: dict[int, str]
    """Partitions whose update counts for less than it was, with the reason."""
    retried: list[tuple[int, str]]
    """Partitions whose node tried again, with the reason; a node may come several times."""
    wall_s: float
    encode_s: float
    critical_work_s: float
    """Computing time of the (real) node whose result came last: nobody could have been faster."""
    nodes: list[dict[str, Any]]
    files: list[Path]
    bytes_up: int
    bytes_down: int
    usual_norm: float | None = None
    """As `Outgoing.usual_norm`."""


@dataclass
class Outgoing:
    """An exchange under way."""

    window: str
    label: str
    kind: str
    limit_s: float
    """After how long the try under way closes at the latest."""
    began: float
    encode_s: float = 0.0
    items: list[WorkItem] = field(default_factory=list)
    sent: dict[int, dict[str, Sent]] = field(default_factory=dict)
    """Partition -> the records of arrays that went to its node."""
    messages: dict[int, Message] = field(default_factory=dict)
    by_message: dict[str, Message] = field(default_factory=dict)
    replies: dict[int, Reply] = field(default_factory=dict)
    missing: dict[int, str] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    norms: dict[int, Future[float]] = field(default_factory=dict)
    """Partition -> how long its update is, being measured."""
    refused: dict[int, Complaint] = field(default_factory=dict)
    bounded: dict[int, Complaint] = field(default_factory=dict)
    usual_norm: float | None = None
    """The updates' median length (L2 norm), where they were measured."""
    retried: list[tuple[int, str]] = field(default_factory=list)
    bytes_lost: int = 0
    """What nodes fetched for tries that failed."""
    closed: bool = False
    quorum_met: bool = False
    reason: str = ""
    last: Reply | None = None

    def arrived(self, reply: Reply) -> None:
        """Take in a reply; a later one of the same node replaces it."""
        self.replies[reply.partition] = reply
        self.last = reply

    def close(self, event: dict[str, Any]) -> None:
        """The coordinator has closed the exchange."""
        self.closed = True
        self.quorum_met = bool(event["quorum_met"])
        self.reason = str(event["reason"])
        self.limit_s = float(event["limit_s"])
        self.missing.update({int(p): str(why) for p, why in event["missing"].items()})
        self.failed = {int(p) for p in event["failed"]}

    def refuse(self, partition: int, complaint: Complaint) -> None:
        """Do without a reply that came."""
        self.refused[partition] = complaint
        self.missing[partition] = f"refused: {complaint.text}"
        del self.replies[partition]

    def bounded_texts(self) -> dict[int, str]:
        """Say of each partition whose update counts for less why that is."""
        return {partition: why.text for partition, why in sorted(self.bounded.items())}

    def notes(self, of_task: bool) -> list[dict[str, Any]]:
        """Return what goes into the nodes' records.

        Item, kind, text, whether it counts, and whether the experiment had asked for it.
        """
        asked_for = {item.partition for item in self.items if item.poison is not None}
        found = [(p, why, self._counts(why.kind, of_task)) for p, why in self.refused.items()]
        found += [(p, why, False) for p, why in self.bounded.items()]
        return [
            {
                "item": f"{self.window}.{partition}",
                "kind": why.kind,
                "text": f"{'refused' if partition in self.refused else 'bounded'}: {why.text}",
                "counts": counts,
                "asked_for": partition in asked_for,
            }
            for partition, why, counts in sorted(found)
        ]

    def _counts(self, kind: str, of_task: bool) -> bool:
        """Whether a refusal of this kind is its node's offence, beside what the others sent."""
        same = sum(why.kind == kind for why in self.refused.values())
        shared = offences.may_be_shared(kind) and offences.is_shared(same, len(self.messages))
        return offences.is_offence(kind, of_task) and not shared

    def all_failed(self) -> bool:
        """Whether the nodes were there, and their work failed on every one of them."""
        return bool(self.failed) and len(self.failed) == len(self.messages)

    def excuse(self, message: Message) -> str:
        """Say why a message has no reply."""
        return self.missing.get(message.metadata.dst_node_id - 1) or "no reply came"

    def excuses(self) -> str:
        """Say it for all of them."""
        return tallied(self.missing.values())

    def _critical_work_s(self, participants: dict[int, Participant]) -> float:
        if self.last is None:
            return 0.0
        # Virtual nodes take turns: the last of them had to wait for the others on its node.
        host = participants[self.last.partition].host
        turns = [self.last]
        if host:
            turns = [r for p, r in self.replies.items() if participants[p].host == host]
        return sum(float(reply.meta["timeline"]["work_s"]) for reply in turns)

    def exchanged(self, now: float, participants: dict[int, Participant]) -> Exchanged:
        """Sum up the exchange."""
        replies = [reply for _, reply in sorted(self.replies.items())]
        wall_s = now - self.began
        return Exchanged(
            kind=self.kind,
            asked=len(self.messages),
            reason=self.reason,
            limit_s=round(self.limit_s, 4),
            missing=dict(self.missing),
            bounded=self.bounded_texts(),
            retried=list(self.retried),
            wall_s=round(wall_s, 4),
            encode_s=round(self.encode_s, 4),
            critical_work_s=self._critical_work_s(participants),
            nodes=[_described(reply, participants, wall_s) for reply in replies],
            files=[reply.file for reply in replies],
            bytes_up=sum(reply.size for reply in replies),
            bytes_down=self.bytes_lost
            + sum(int(reply.meta["timeline"]["bytes_down"]) for reply in replies),
            usual_norm=self.usual_norm,
        )


def tallied(reasons: Iterable[str]) -> str:
    """Say how often there was which reason."""
    counts = Counter(reasons)
    return "; ".join(f"{n} times: {why}" for why, n in counts.items()) or "no reason is known"


def _described(reply: Reply, participants: dict[int, Participant], wall_s: float) -> dict[str, Any]:
    timeline = reply.meta["timeline"]
    # A node's wait begins with the end of its work before, which may be long before the exchange.
    spent_s = reply.upload_s + sum(float(timeline.get(key) or 0.0) for key in BUSY)
    waited_s = min(float(timeline.get("wait_s") or 0.0), max(0.0, wall_s - spent_s))
    participant = participants[reply.partition]
    return {
        "partition": reply.partition,
        "name": participant.name,
        **({"host": participant.host} if participant.host else {}),
        "metrics": reply.metrics(),
        "bytes_up": reply.size,
        "upload_s": reply.upload_s,
        "timeline": {**timeline, "wait_s": round(waited_s, 4)},
    }
