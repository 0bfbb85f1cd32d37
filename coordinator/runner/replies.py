"""Replies of nodes as Flower messages whose arrays decode when they are looked at.

Strategies want the whole list of replies at once; with these, peak memory is that of one update,
because averaging decodes, adds and forgets one array after the other.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, Message, RecordDict

from fedbed import codec, flower
from fedbed.link import envelope, records

NUMPY = "numpy.ndarray"


class SpooledArray(Array):
    """A flwr Array in a payload file; `numpy()` and `data` decode it anew each time."""

    def __init__(self, payload: codec.Payload, spec: codec.ArraySpec) -> None:
        self.__dict__["_payload"] = payload
        self.__dict__["_name"] = spec.name
        self.dtype = spec.dtype
        self.shape = spec.shape
        self.stype = NUMPY

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return the array, freshly decoded and writable."""
        payload: codec.Payload = self.__dict__["_payload"]
        return payload.read(self.__dict__["_name"])

    @property
    def data(self) -> bytes:  # type: ignore[override]
        """Return the array as flwr serialises it (the .npy format)."""
        buffer = BytesIO()
        np.save(buffer, self.numpy(), allow_pickle=False)
        return buffer.getvalue()


@dataclass
class Reply:
    """What one node sent, not yet decoded."""

    partition: int
    file: Path
    size: int
    upload_s: float
    meta: dict[str, Any] = field(default_factory=dict)
    _payloads: list[codec.Payload] = field(default_factory=list)

    def open(self) -> None:
        """Read the envelope's head."""
        self.meta = envelope.read_meta(self.file)

    def content(self) -> RecordDict:
        """Return the records, arrays decoding lazily; valid until `close`."""
        held = envelope.Envelope.open(self.file)
        arrays: dict[str, ArrayRecord] = {}
        metrics: dict[str, dict[str, Any]] = {}
        config: dict[str, dict[str, Any]] = {}
        for record in self.meta["records"]:
            name, kind = str(record["name"]), record["kind"]
            if kind == "arrays":
                payload = held.payload(str(record["payload"]))
                self._payloads.append(payload)
                lazy = ArrayRecord()
                for spec in payload.specs:
                    lazy[spec.name] = SpooledArray(payload, spec)
                arrays[name] = lazy
            elif kind == "metrics":
                metrics[name] = records.unpack(record["values"])
            else:
                config[name] = records.unpack(record["values"])
        return flower.join_records(arrays, metrics, config)

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
    """Return what Flower's strategies want to be equal among replies: names of all entries."""
    arrays, metrics, _ = flower.split_records(content)
    return (
        tuple((name, tuple(record.keys())) for name, record in sorted(arrays.items())),
        tuple((name, tuple(sorted(values))) for name, values in sorted(metrics.items())),
    )


def misfits(messages: list[Message]) -> dict[int, str]:
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
        i: "its reply has other records or keys than most"
        for i, form in forms.items()
        if form != common
    }
