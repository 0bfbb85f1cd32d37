"""What coordinator and node say to each other, as plain dataclasses.

The coordinator's API validates and documents these very classes; a node builds them from JSON with
`parse`, which ignores what it doesn't know, so that an older node understands a newer coordinator.
All durations are seconds. None is a point in time, because a board may have no clock, but for one:
the coordinator tells its own, so that what nodes measure lines up with its rounds and theirs.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Type, TypeVar

from fedbed.link.health import Checkup

Message = TypeVar("Message")
ADVERSARY = "adversary"
"""The ability to falsify an update where the work item asks for it."""
IMAGE_SIZE = "image-size"
"""The ability to scale pictures down where the work item asks for it."""
STRAGGLER = "straggler"
"""The ability to take longer where the work item asks for it."""
CLIPPING = "clipping"
"""The ability to shorten a native task's update where the configuration asks for it."""


@dataclass
class NodeProfile:
    """What a node is: read once at start."""

    machine: str = ""
    system: str = ""
    python: str = ""
    agent: str = ""
    cpus: int = 0
    memory_bytes: int = 0
    packages: Dict[str, str] = field(default_factory=dict)
    """Versions found in the worker's interpreter: numpy, torch, flwr..."""
    codecs: List[str] = field(default_factory=lambda: ["raw", "exact"])
    """Codec profiles that the worker can write and read; agents before these say nothing."""
    abilities: List[str] = field(default_factory=list)
    """What else the worker can do that agents once couldn't, by the names above."""


@dataclass
class JoinRequest:
    """A node asks in. The same `key` is the same node, whatever its address."""

    name: str
    key: str = field(repr=False)
    profile: NodeProfile = field(default_factory=NodeProfile)
    labels: Dict[str, str] = field(default_factory=dict)
    compressors: List[str] = field(default_factory=lambda: ["zlib"])
    apps_allowed: bool = False
    """Whether this node runs foreign code, that is Flower apps."""


@dataclass
class JoinReply:
    """The node's identity at this coordinator and its credential."""

    node_id: str
    name: str
    token: str = field(repr=False)
    poll_s: float


@dataclass
class NodeCost:
    """What the agent itself costs (worker not counted)."""

    rss_bytes: int = 0
    cpu_s: float = 0.0
    monitoring_cpu_s: float = 0.0
    """How much of it went into sampling the hardware and telling the broker."""
    uptime_s: float = 0.0


@dataclass
class PollRequest:
    """The open poll: heartbeat, progress and the question for work in one."""

    wait_s: float = 8.0
    holding: List[str] = field(default_factory=list)
    """Work items that the node trains on or has in its spool."""
    progress: Dict[str, float] = field(default_factory=dict)
    """Work item -> share done, 0 to 1."""
    cost: NodeCost = field(default_factory=NodeCost)
    trouble: str = ""
    """What keeps the node from its work, in a line: a full disk, for instance."""


@dataclass
class BlobRef:
    """Bulk data by content address; fetched unless the node holds it."""

    sha256: str
    size: int


@dataclass
class Record:
    """One record of a message: exactly one of `values` and `blob` is set.

    kind: arrays (a codec payload), metrics or config (JSON as fedbed.link.records encodes it).
    """

    name: str
    kind: str
    values: Optional[Dict[str, Any]] = None
    blob: Optional[BlobRef] = None


@dataclass
class AppRef:
    """What runs the work: a native task by name, or a Flower ClientApp out of a bundle."""

    kind: str
    name: str
    """The task's name, or the ClientApp's reference `package.module:attribute`."""
    bundle: Optional[BlobRef] = None
    run_config: Dict[str, Any] = field(default_factory=dict)
    """The task's arguments, or the configuration of the Flower run."""


@dataclass
class DataRef:
    """Where a native task's samples come from.

    delivery: shared (own copy of `dataset`, taken at the indices in the blobs), shipped (the blobs
    hold the samples themselves) or node (data of the node's own). image_size: pixels of the shorter
    side to which the node scales its own pictures down; None: as they are. Those in a blob have
    their size. Only for nodes with the ability IMAGE_SIZE.
    """

    delivery: str
    dataset: str
    train: Optional[BlobRef] = None
    test: Optional[BlobRef] = None
    image_size: Optional[int] = None


@dataclass
class Poison:
    """How a node falsifies its update, because the experiment asks for it.

    kind: sign-flip, noise, scale or nan; `edge_agent.worker.adversary` says what each does.
    """

    kind: str
    scale: float = 1.0
    seed: int = 0


@dataclass
class WorkItem:
    """One piece of work for one node."""

    id: str
    run: str
    round: int
    kind: str
    """A Flower message type: train, evaluate or query, possibly with `.action`."""
    app: AppRef
    partition: int
    partitions: int
    records: List[Record]
    codec: str
    compressor: str
    max_bytes: int
    """Larger results are refused before they are read."""
    codec_seed: int = 0
    """Of what the codec rounds by chance: another one for every node and round."""
    data: Optional[DataRef] = None
    message: Dict[str, Any] = field(default_factory=dict)
    """Flower's own metadata (ids, ttl), for ClientApps."""
    poison: Optional[Poison] = None
    """Native tasks: set where this node is an adversary. Only for nodes with that ability."""
    slowed: Optional[float] = None
    """Native tasks: set where this node is a straggler, which trains so many times as long. Only
    for nodes with that ability."""
    question: str = ""
    """Hash of what is asked, which the answer repeats: an answer to something else is no use."""
    seconds_left: Optional[float] = None
    """Until the round closes, at the time of sending."""


@dataclass
class PollReply:
    """Work, if there is any, and what the node may forget."""

    poll_s: float
    work: Optional[WorkItem] = None
    drop: List[str] = field(default_factory=list)
    """Items whose round has closed: stop training on them, unspool them."""
    run: Optional[str] = None
    """The run that this node takes part in; a worker of another run may stop."""
    busy_poll_s: float = 1.0
    """How long a poll stays open that carries the progress of work: longer in a large fleet."""
    now_s: float = 0.0
    """The coordinator's clock as it answers, in seconds since 1970; an older one says nothing: 0.
    Nodes only stamp samples by it: nothing that they do depends on it."""
    held_s: float = 0.0
    """For how long the poll was kept open: the rest of the node's wait was the way and back."""
    drained: bool = False
    """Whether the node gets no new work, by its own wish or another's."""
    checkup: Optional[Checkup] = None
    """Set once where somebody wants to know how the node is. Only for nodes with that ability."""


@dataclass
class Timeline:
    """Where a work item's time went on the node, in seconds, and what it took."""

    wait_s: float = 0.0
    download_s: float = 0.0
    start_s: float = 0.0
    """Starting the worker and loading the app: once per run."""
    decode_s: float = 0.0
    work_s: float = 0.0
    """Computing; with a straggler also what it waited on purpose."""
    encode_s: float = 0.0
    bytes_down: int = 0
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0


def parse(cls: Type[Message], data: Dict[str, Any]) -> Message:
    """Build a message class from decoded JSON; unknown keys are ignored, missing ones TypeError."""
    if not isinstance(data, dict):
        raise TypeError(f"a {cls.__name__} must be a JSON object")
    hints = _hints(typing.cast(Any, cls))
    known = {
        f.name: _value(hints[f.name], data[f.name])
        for f in dataclasses.fields(cls)  # type: ignore[arg-type]
        if f.name in data
    }
    return cls(**known)


def unparse(message: Any) -> Dict[str, Any]:
    """Return a message as JSON-ready dictionaries."""
    return dataclasses.asdict(message)


@functools.lru_cache(maxsize=None)
def _hints(cls: Any) -> Dict[str, Any]:
    # Evaluated once: it takes longer than all the rest of `parse`.
    return typing.get_type_hints(cls)


def _value(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin is typing.Union:
        inner = next(a for a in typing.get_args(hint) if a is not type(None))
        return None if value is None else _value(inner, value)
    if origin is list:
        if not isinstance(value, list):
            raise TypeError(f"a JSON array was expected, not {type(value).__name__}")
        (item,) = typing.get_args(hint)
        return [_value(item, v) for v in value]
    if dataclasses.is_dataclass(hint):
        return parse(typing.cast(Any, hint), value)
    return value
