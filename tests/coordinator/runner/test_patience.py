from __future__ import annotations

import errno
from typing import Any

import pytest

from coordinator.runner import patience as module
from coordinator.runner.channel import RunStopped
from coordinator.runner.patience import Patience


class Told:
    """Stands in for the channel: keeps what is published; stops at the given check."""

    def __init__(self, stop_at: int = 99) -> None:
        self.published: list[tuple[str, Any]] = []
        self._left = stop_at

    def publish(self, kind: str, data: Any) -> None:
        self.published.append((kind, data))

    def check_stopped(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise RunStopped("the run was stopped")


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOM_PAUSE_S", 0.0)


class Disk:
    """A write that finds no room so many times."""

    def __init__(self, times: int, number: int = errno.ENOSPC) -> None:
        self.left, self.number = times, number

    def __call__(self) -> str:
        if self.left:
            self.left -= 1
            raise OSError(self.number, "no room")
        return "written"


def test_what_finds_no_room_is_tried_until_it_does() -> None:
    told = Told()
    assert Patience(told)(Disk(3)) == "written"  # type: ignore[arg-type]
    blocked = [data for kind, data in told.published if kind == "blocked"]
    assert blocked == ["the coordinator's disk is full: waiting for room", ""]


def test_nothing_is_said_where_there_is_room() -> None:
    told = Told()
    assert Patience(told)(Disk(0)) == "written"  # type: ignore[arg-type]
    assert told.published == []


def test_another_fault_is_not_waited_for() -> None:
    with pytest.raises(OSError, match="no room"):
        Patience(Told())(Disk(1, errno.EIO))  # type: ignore[arg-type]


def test_a_stop_ends_the_wait_but_not_that_for_the_results() -> None:
    with pytest.raises(RunStopped):
        Patience(Told(stop_at=2))(Disk(9))  # type: ignore[arg-type]
    assert Patience(Told(stop_at=2))(Disk(9), stoppable=False) == "written"  # type: ignore[arg-type]
