"""Replies of nodes as Flower messages whose arrays decode when they are looked at.

Strategies want the whole list of replies at once; with these, peak memory is that of one update,
because averaging decodes, adds and forgets one array after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, Message, RecordDict

from coordinator.runner.kept import KeptArrays
from coordinator.runner.screen import Complaint
from coordinator.runner.sent import Sent
from fedbed import codec, flower
from fedbed.errors import RunFailed
from fedbed.link import envelope, records


class SpooledArray(flower.LazyArray):
    """A flwr Array in a payload file; `numpy()` and `data` decode it anew each time.

    lost: what is added to the array whenever it is decoded, if anything. kept: where it may lie
    decoded already, under `key`.
    """

    def __init__(
        self,
        payload: codec.Payload,
        spec: codec.ArraySpec,
        lost: np.ndarray[Any, Any] | None = None,
        kept: KeptArrays | None = None,
        key: Hashable = None,
    ) -> None:
        super().__init__(spec.dtype, spec.shape)
        self.__dict__["_payload"] = payload
        self.__dict__["_name"] = spec.name
        self.__dict__["_lost"] = lost
        self.__dict__["_kept"] = kept
        self.__dict__["_key"] = key

    @property
    def payload(self) -> codec.Payload:
        """The payload that it lies in."""
        held: codec.Payload = self.__dict__["_payload"]
        return held

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return the array, decoded for the caller alone and writable."""
        kept: KeptArrays | None = self.__dict__["_kept"]
        if kept is not None:
            held = kept.take(self.__dict__["_key"])
            if held is not None:
                return held
        try:
            array = self.payload.read(self.__dict__["_name"])
        except FileNotFoundError as error:
            raise RunFailed(
                "the strategy asked for an update of an earlier round: updates are kept until"
                " their round has ended, so copy the arrays of those that it needs for longer"
            ) from error
        lost = self.__dict__["_lost"]
        return array if lost is None else array + lost

    def give_back(self, values: np.ndarray[Any, Any]) -> None:
        """Spare the next one who asks the decoding; `values` are the caller's no more."""
        kept: KeptArrays | None = self.__dict__["_kept"]
        if kept is not None and not self.is_plain:
            kept.keep(self.__dict__["_key"], values)

    @property
    def is_plain(self) -> bool:
        """Whether its items lie in the file as they are, for `read_items`."""
        return self.__dict__["_lost"] is None and self.payload.is_plain(self.__dict__["_name"])

    def read_items(self, start: int, out: np.ndarray[Any, Any]) -> None:
        """Copy items of a plain array into `out`; see `codec.Payload.read_items`."""
        self.payload.read_items(self.__dict__["_name"], start, out)


@dataclass
class Reply:
    """What one node sent, not yet decoded."""

    partition: int
    file: Path
    size: int
    upload_s: float
    meta: dict[str, Any] = field(default_factory=dict)
    kept: KeptArrays | None = None
    _token: object = field(default_factory=object)
    """Tells what is kept of this reply from what is kept of another in the same file."""
    _payloads: list[codec.Payload] = field(default_factory=list)

    def open(self) -> None:
        """Read the envelope's head."""
        self.meta = envelope.read_meta(self.file)

    def content(self, sent: Mapping[str, Sent]) -> RecordDict:
        """Return the records, arrays decoding lazily; valid until `close`.

        sent: the records of arrays that the node was sent. PayloadError for a difference to
        anything else.
        """
        held = envelope.Envelope.open(self.file)
        arrays: dict[str, ArrayRecord] = {}
        metrics: dict[str, dict[str, Any]] = {}
        config: dict[str, dict[str, Any]] = {}
        for record in self.meta["records"]:
            name, kind = str(record["name"]), record["kind"]
            if kind == "arrays":
                base = sent.get(name)
                payload = held.payload(
                    str(record["payload"]), None if base is None else base.reference
                )
                self._payloads.append(payload)
                arrays[name] = self._lazy(name, payload, base)
            elif kind == "metrics":
                metrics[name] = records.unpack(record["values"])
            else:
                config[name] = records.unpack(record["values"])
        return flower.join_records(arrays, metrics, config)

    def _lazy(self, record: str, payload: codec.Payload, base: Sent | None) -> ArrayRecord:
        payload.check_reference()
        is_difference = payload.needs_reference is not None
        lost = {} if base is None or is_difference else base.lost
        lazy = ArrayRecord()
        for spec in payload.specs:
            array = lost.get(spec.name)
            fits = array is not None and (array.dtype.name, array.shape) == (spec.dtype, spec.shape)
            key = (self._token, record, spec.name)
            lazy[spec.name] = SpooledArray(payload, spec, array if fits else None, self.kept, key)
        return lazy

    def metrics(self) -> dict[str, Any]:
        """Return all metrics of the reply in one dictionary."""
        merged: dict[str, Any] = {}
        for record in self.meta["records"]:
            if record["kind"] == "metrics":
                merged.update(records.unpack(record["values"]))
        return merged

    def close(self) -> None:
        """Let go of the file."""
        for payload in self._payloads:
            payload.close()
        self._payloads.clear()


def materialise(content: RecordDict) -> RecordDict:
    """Return a copy whose arrays are decoded: for apps that may keep replies for good."""
    arrays, metrics, config = flower.split_records(content)
    eager = {name: flower.array_of(flower.ndarrays_of(record)) for name, record in arrays.items()}
    return flower.join_records(eager, metrics, config)


def signature(content: RecordDict) -> tuple[Any, ...]:
    """Return what Flower's strategies want to be equal among replies.

    That is names, dtypes and shapes of arrays, and names and lengths of metrics.
    """
    arrays, metrics, _ = flower.split_records(content)
    return (
        tuple(
            (name, tuple((key, a.dtype, tuple(a.shape)) for key, a in record.items()))
            for name, record in sorted(arrays.items())
        ),
        tuple(
            (name, tuple((key, _length(values[key])) for key in sorted(values)))
            for name, values in sorted(metrics.items())
        ),
    )


def _length(value: object) -> int | None:
    """Return the length of a list, which strategies want to be equal; None for a number."""
    return len(value) if isinstance(value, list) else None


def misfits(messages: list[Message]) -> dict[int, Complaint]:
    """Return the positions of replies that don't fit the others, with the reason.

    One reply with other keys makes flwr end the run; so the most common form stays and the others
    are left out. Of two forms equally common, that of the earlier reply stays.
    """
    forms = {
        i: signature(message.content) for i, message in enumerate(messages) if message.has_content()
    }
    if len(set(forms.values())) <= 1:
        return {}
    common = Counter(forms.values()).most_common(1)[0][0]
    return {
        i: Complaint("shape", "its reply has other records, keys or shapes than most")
        for i, form in forms.items()
        if form != common
    }
