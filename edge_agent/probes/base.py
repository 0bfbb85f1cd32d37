"""What all probes have in common."""

from __future__ import annotations

from typing import List

from fedbed.telemetry.point import Sample


class Probe:
    """Reads one kind of hardware. The constructor finds out whether it is there, once.

    name: for people. absent: why there is nothing to read, in a few words; empty if there is. A
    probe is asked for nothing more once it is absent. is_slow: its reading starts a process or
    waits for one, so that it has a thread of its own.
    """

    name = ""
    absent = ""
    is_slow = False

    def read(self) -> List[Sample]:
        """Return what is to be seen now, empty if that is nothing; may raise anything."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what it holds; nothing is read after that."""
