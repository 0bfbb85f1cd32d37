"""Works through the items that the poll brings: fetch, train in the worker, spool, send."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from typing import Dict, List, Optional, Tuple

from edge_agent.activity import DOWNLOADING, IDLE, TRAINING, UPLOADING, Activity
from edge_agent.backoff import Backoff
from edge_agent.blobs import BlobCache
from edge_agent.config import AgentConfig
from edge_agent.link import Link
from edge_agent.residuals import FOLDER as RESIDUALS
from edge_agent.residuals import Residuals
from edge_agent.spool import Spool
from edge_agent.worker_process import WorkerDied, WorkerProcess
from fedbed.disk import is_full
from fedbed.errors import CoordinatorAway, FedbedError, NotAdmitted, Untrusted
from fedbed.link.messages import BlobRef, Timeline, WorkItem, unparse

log = logging.getLogger("fedbed.agent")
UPLOAD_TIMEOUT_S = 120.0
DISK_PAUSE_S = 5.0
AWAY = (CoordinatorAway, NotAdmitted, Untrusted)
"""None of them lasts for a node that has joined: a coordinator that is away or stands behind
another's certificate, a credential that is void until the poll, told the same, has joined anew."""


class Executor:
    """One thread, one item at a time. `holding`, `progress` and `drop` are called by the poll."""

    def __init__(
        self,
        config: AgentConfig,
        spool: Spool,
        blobs: BlobCache,
        activity: Optional[Activity] = None,
    ) -> None:
        self._config = config
        self._spool = spool
        self._blobs = blobs
        self._activity = activity or Activity()
        self._residuals = Residuals(config.state_dir / RESIDUALS)
        self._link = Link(config.coordinator, config.ca)
        self._queue: queue.Queue[Optional[WorkItem]] = queue.Queue()
        self._guard = threading.Lock()
        self._holding: Dict[str, threading.Event] = {}
        self._left_over: Dict[str, threading.Event] = {}
        self._progress: Dict[str, float] = {}
        self._worker: Optional[WorkerProcess] = None
        self._wanted_run: Optional[str] = None
        self._stopping = threading.Event()
        self._joined = threading.Event()
        self._away = Backoff()
        self._idle_since = time.monotonic()
        self.trouble = ""
        """What keeps the node from its work, for those who watch; empty if nothing does."""
        self._thread = threading.Thread(target=self._run, name="executor")

    def start(self) -> None:
        """Start the thread; it waits for `joined` before it sends anything."""
        self._left_over = {item: threading.Event() for item in self._spool.items()}
        self._holding.update(self._left_over)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current step; spooled results stay for the next start."""
        self._stopping.set()
        self._joined.set()
        with self._guard:
            for aborted in self._holding.values():
                aborted.set()
            worker = self._worker
        self._queue.put(None)
        if worker is not None:
            worker.kill()
        while self._thread.is_alive():
            self._link.interrupt()
            self._thread.join(0.2)

    def joined(self, token: str) -> None:
        """Take the node's credential into use; called again when it has changed."""
        self._link.token = token
        self._joined.set()

    def accept(self, item: WorkItem) -> None:
        """Queue an item, unless it is here already; PayloadError if its id is no file name."""
        with self._guard:
            if item.id in self._holding or self._spool.path(item.id).is_file():
                return
            self._holding[item.id] = threading.Event()
        self._queue.put(item)

    def drop(self, items: List[str]) -> None:
        """The rounds of these items have closed: abort what trains, forget what is spooled."""
        with self._guard:
            for item in items:
                if item in self._holding:
                    self._holding[item].set()
                elif self._spool.path(item).is_file():
                    self._discard(item)

    def serve_run(self, run: Optional[str]) -> None:
        """Note which run this node is part of; a worker of another run gives its memory back."""
        if run != self._wanted_run:
            self._wanted_run = run
            self._queue.put(None)

    def restart_worker(self, reason: str) -> bool:
        """End the worker, so that the next work starts another; False if none runs."""
        with self._guard:
            worker = self._worker
        if worker is None or worker.exited():
            return False
        worker.kill(reason)
        return True

    def holding(self) -> List[str]:
        """Ids of the items that this node has in hand."""
        with self._guard:
            held = list(self._holding)
        return held + [item for item in self._spool.items() if item not in held]

    def progress(self) -> Dict[str, float]:
        """Share done of each item in training."""
        with self._guard:
            return dict(self._progress)

    def workers(self) -> List[Tuple[str, int]]:
        """Run and process id of each worker child that lives, for who measures them."""
        with self._guard:
            worker = self._worker
        if worker is None or not worker.pid or worker.exited():
            return []
        return [(worker.run, worker.pid)]

    def _run(self) -> None:
        self._joined.wait()
        for left_over, aborted in self._left_over.items():
            self._activity.now(UPLOADING)
            self._send_left_over(left_over, aborted)
        self._activity.now(IDLE)
        while not self._stopping.is_set():
            item = self._queue.get()
            if item is None:
                self._retire_worker()
                continue
            try:
                self._work(item)
            finally:
                with self._guard:
                    self._holding.pop(item.id, None)
                    self._progress.pop(item.id, None)
                self._idle_since = time.monotonic()
                self._activity.now(IDLE)
        if self._worker is not None:
            self._worker.stop()
        self._link.close()

    def _send_left_over(self, item: str, aborted: threading.Event) -> None:
        try:
            size, digest = self._spool.measure(item)
            self._send(item, size, digest, aborted, ask_anyway=True)
        except OSError as error:
            log.warning("%s: the spooled result can't be read: %s", item, error)
        finally:
            with self._guard:
                self._holding.pop(item, None)

    def _work(self, item: WorkItem) -> None:
        aborted = self._holding[item.id]
        if aborted.is_set():
            return
        timeline = Timeline(wait_s=round(time.monotonic() - self._idle_since, 4))
        try:
            size, digest = self._train_when_there_is_room(item, timeline, aborted)
        except (FedbedError, WorkerDied, OSError) as error:
            self._residuals.forget(item.id)
            self._sweep()
            if self._stopping.is_set() or aborted.is_set():
                return
            if isinstance(error, AWAY):
                # Nothing is lost: the item is offered again by the next poll.
                log.info("%s: %s", item.id, error)
                aborted.wait(self._away.next_s())
                return
            log.warning("%s failed: %s", item.id, error)
            try:
                size, digest = self._spool.write_failure(
                    item.id, item.question, str(error), unparse(timeline)
                )
            except OSError as full:
                self._note_full()
                log.error("%s: not even that can be spooled: %s", item.id, full)
                aborted.wait(DISK_PAUSE_S)
                return
        self._away.reset()
        for old in self._spool.trim():
            self._residuals.forget(old)
            log.warning("%s: dropped from the spool, which is full", old)
        self._activity.now(UPLOADING, item.run, item.round)
        self._send(item.id, size, digest, aborted)

    def _train_when_there_is_room(
        self, item: WorkItem, timeline: Timeline, aborted: threading.Event
    ) -> Tuple[int, str]:
        try:
            while True:
                try:
                    return self._train(item, timeline, aborted)
                except OSError as error:
                    if not is_full(error):
                        raise
                    self._note_full()
                    self._blobs.clear({blob.sha256 for blob in _blobs_of(item)})
                    if aborted.wait(DISK_PAUSE_S):
                        raise WorkerDied("stopped: its round had closed") from error
        finally:
            self.trouble = ""

    def _note_full(self) -> None:
        if not self.trouble:
            self.trouble = f"its disk is full: waiting for room in {self._config.state_dir}"
            log.error("the disk is full: waiting for room in %s", self._config.state_dir)

    def _train(
        self, item: WorkItem, timeline: Timeline, aborted: threading.Event
    ) -> Tuple[int, str]:
        self._activity.now(DOWNLOADING, item.run, item.round)
        worker = self._ready_worker(item)
        started = time.monotonic()
        wanted = _blobs_of(item)
        in_use = {blob.sha256 for blob in wanted}
        for blob in wanted:
            if aborted.is_set():
                raise WorkerDied("stopped: its round had closed")
            timeline.bytes_down += self._blobs.fetch(blob, self._link, in_use)
        timeline.download_s = round(time.monotonic() - started, 4)
        request = {
            "item": unparse(item),
            "blobs": {blob.sha256: str(self._blobs.path(blob)) for blob in wanted},
            "out": str(self._spool.path(item.id)),
            "timeline": unparse(timeline),
        }

        def on_progress(share: float) -> None:
            with self._guard:
                self._progress[item.id] = round(share, 3)

        self._activity.now(TRAINING, item.run, item.round)
        answer = worker.work(request, on_progress, self._note_full, aborted)
        if answer["op"] == "failed":
            raise FedbedError(str(answer["reason"]))
        return int(answer["size"]), str(answer["sha256"])

    def _ready_worker(self, item: WorkItem) -> WorkerProcess:
        worker = self._worker
        if worker is not None and (worker.run != item.run or worker.exited()):
            worker.stop()
            worker = None
        if worker is None:
            worker = WorkerProcess(self._config, item.run)
            worker.start()
            with self._guard:
                self._worker = worker
        return worker

    def _retire_worker(self) -> None:
        worker = self._worker
        if worker is not None and worker.run != self._wanted_run:
            worker.stop()
            with self._guard:
                self._worker = None

    def _send(
        self,
        item: str,
        size: int,
        digest: str,
        aborted: threading.Event,
        ask_anyway: bool = False,
    ) -> None:
        """Send a result until it is answered, or nobody waits for it any more.

        ask_anyway: send it once even so. A process that was killed may have sent it before: the
        coordinator then has no more use for it, and its answer alone tells whether it took the
        update, so that what it left out must stay.
        """
        backoff = Backoff()
        # A try that broke off may have arrived: then what the update left out must stay.
        perhaps_taken = False
        while not self._stopping.is_set() and (ask_anyway or not aborted.is_set()):
            ask_anyway = False
            try:
                self._link.upload(
                    f"/api/v1/work/{item}/result",
                    self._spool.path(item),
                    size,
                    digest,
                    UPLOAD_TIMEOUT_S,
                )
                perhaps_taken = True
            except AWAY:
                perhaps_taken = True
                self._stopping.wait(backoff.next_s())
                continue
            except FedbedError as refusal:
                log.info("%s: the coordinator refused the result: %s", item, refusal)
                perhaps_taken = False
            except OSError as error:
                log.warning("%s: the spooled result can't be read: %s", item, error)
                perhaps_taken = False
            break
        if self._stopping.is_set():
            return
        with contextlib.suppress(OSError):
            if perhaps_taken:
                self._spool.remove(item)
            else:
                self._discard(item)

    def _sweep(self) -> None:
        """Remove what a worker that died has begun to write: no worker writes just now."""
        with contextlib.suppress(OSError):
            self._spool.sweep()
            self._residuals.sweep()

    def _discard(self, item: str) -> None:
        """Forget a result that nobody has taken, and that anything was left out of it."""
        self._spool.remove(item)
        self._residuals.forget(item)


def _blobs_of(item: WorkItem) -> List[BlobRef]:
    blobs = [record.blob for record in item.records]
    blobs.append(item.app.bundle)
    if item.data is not None:
        blobs.extend([item.data.train, item.data.test])
    return [blob for blob in blobs if blob is not None]
