"""One work item in the worker: decode what came, let the runner compute, encode the answer."""

from __future__ import annotations

import resource
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Tuple

import numpy as np

from edge_agent.residuals import Residuals
from edge_agent.worker.update_coder import UpdateCoder
from fedbed import codec
from fedbed.disk import is_full
from fedbed.link import envelope, records
from fedbed.link.messages import BlobRef, Timeline, WorkItem, parse, unparse

ArrayMap = Mapping[str, "np.ndarray[Any, Any]"]
KIB = 1024


class JobAborted(Exception):
    """The round closed while the worker was at it."""


@dataclass
class Content:
    """The records of a message, decoded: record name -> entries, by kind."""

    arrays: Dict[str, ArrayMap]
    metrics: Dict[str, Dict[str, Any]]
    config: Dict[str, Dict[str, Any]]


class Runner(ABC):
    """What computes an item's answer; made once per worker, that is once per run."""

    @abstractmethod
    def handle(self, job: Job, content: Content) -> Content:
        """Return the reply's records; any exception becomes an error reply."""


class Job:
    """A request of the daemon on its way through the worker."""

    def __init__(
        self,
        request: Dict[str, Any],
        on_progress: Callable[[float], None],
        residuals: Residuals,
        wait_for_room: Callable[[], None],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.item = parse(WorkItem, request["item"])
        self.on_progress = on_progress
        self.pause = pause
        """Waits so many seconds; JobAborted as soon as the round closes."""
        self._paths: Dict[str, str] = request["blobs"]
        self._out = Path(request["out"])
        self._timeline = parse(Timeline, request["timeline"])
        self._residuals = residuals
        self._wait_for_room = wait_for_room
        self._started = time.monotonic()

    def path(self, blob: BlobRef) -> Path:
        """Where the daemon has put a blob."""
        return Path(self._paths[blob.sha256])

    def run(self, runner: Runner) -> Tuple[int, str]:
        """Compute and spool the answer; returns the envelope's size and sha256. `sync` follows."""
        timeline, clock = self._timeline, time.monotonic
        cpu = time.process_time()
        begin = clock()
        timeline.start_s = round(begin - self._started, 4)
        content = self._decode()
        decoded = clock()
        reply = runner.handle(self, content)
        done = clock()
        timeline.decode_s = round(decoded - begin, 4)
        timeline.work_s = round(done - decoded, 4)
        while True:
            try:
                meta, payloads = self._encode(reply, content)
                timeline.encode_s = round(clock() - done, 4)
                timeline.cpu_s = round(time.process_time() - cpu, 4)
                timeline.peak_rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
                meta["timeline"] = unparse(timeline)
                return envelope.write(self._out, meta, payloads, synced=False)
            except OSError as error:
                if not is_full(error):
                    raise
                # What was learnt is kept in memory meanwhile.
                self._wait_for_room()

    def sync(self) -> None:
        """Make the answer outlive a power cut, unless it has been sent and removed by now."""
        envelope.sync(self._out)

    def _decode(self) -> Content:
        content = Content({}, {}, {})
        for record in self.item.records:
            if record.blob is not None:
                # The daemon has checked the blob's hash, and with it the payload's own.
                with codec.Payload.open(self.path(record.blob)) as payload:
                    content.arrays[record.name] = payload.arrays()
            elif record.kind == "metrics":
                content.metrics[record.name] = records.unpack(record.values or {})
            else:
                content.config[record.name] = records.unpack(record.values or {})
        return content

    def _encode(
        self, reply: Content, content: Content
    ) -> Tuple[Dict[str, Any], List[Tuple[str, bytes]]]:
        described: List[Dict[str, Any]] = []
        payloads: List[Tuple[str, bytes]] = []
        # A difference is to the blob that came, whose hash both sides know.
        sent = {
            record.name: codec.Reference(content.arrays[record.name], record.blob.sha256)
            for record in self.item.records
            if record.blob is not None
        }
        coder = UpdateCoder(self.item, sent, self._residuals)
        for name, arrays in reply.arrays.items():
            payloads.append((name, coder.encode(name, arrays)))
            described.append({"name": name, "kind": "arrays", "payload": name})
        coder.finish()
        for kind, found in (("metrics", reply.metrics), ("config", reply.config)):
            for name, values in found.items():
                described.append({"name": name, "kind": kind, "values": records.pack(values)})
        meta = {
            "item": self.item.id,
            "question": self.item.question,
            "records": described,
            "payloads": [{"name": name, "bytes": len(data)} for name, data in payloads],
            "error": None,
        }
        return meta, payloads
