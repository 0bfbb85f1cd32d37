"""What a full disk stops goes on when there is room: a run waits, and says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from coordinator.runner.channel import Channel
from coordinator.store.blobs import BlobStore
from coordinator.store.space import ROOM_PAUSE_S, WAITING
from fedbed.disk import is_full
from fedbed.link.messages import BlobRef

Result = TypeVar("Result")


class Patience:
    """Call it with what writes files: it is called again until its disk has room for it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __call__(self, write: Callable[[], Result], stoppable: bool = True) -> Result:
        """Return what `write` returns. RunStopped if the run is stopped while it waits."""
        waiting = False
        while True:
            try:
                result = write()
            except OSError as error:
                if not is_full(error):
                    raise
            else:
                if waiting:
                    self._channel.publish("blocked", "")
                    self._channel.publish("event", "there is room on the disk again: it goes on")
                return result
            if not waiting:
                waiting = True
                self._channel.publish("blocked", WAITING)
                self._channel.publish("event", WAITING)
            if stoppable:
                self._channel.check_stopped()
            time.sleep(ROOM_PAUSE_S)


class PatientBlobs(BlobStore):
    """A run's blobs, put down when there is room."""

    def __init__(self, folder: Path, patience: Patience) -> None:
        super().__init__(folder)
        self._patience = patience

    def put(self, data: bytes) -> BlobRef:
        """Keep `data`; see `BlobStore.put`."""
        return self._patience(lambda: super(PatientBlobs, self).put(data))
