"""When windows are looked at again."""

from __future__ import annotations

import asyncio

from coordinator.runs.alarms import Alarms


class Clock:
    """Stands still, so that each time is as far away as the test says."""

    def __call__(self) -> float:
        return 100.0


async def test_a_window_is_looked_at_once_when_its_time_has_come() -> None:
    rung: list[str] = []
    alarms = Alarms(rung.append, Clock())
    alarms.set("past", 99.0)
    alarms.set("soon", 100.02)
    alarms.set("far", 200.0)
    await asyncio.sleep(0.1)
    assert rung == ["past", "soon"]
    alarms.stop()


async def test_the_last_word_counts_whether_sooner_or_later() -> None:
    rung: list[str] = []
    alarms = Alarms(rung.append, Clock())
    alarms.set("sooner", 200.0)
    alarms.set("sooner", 100.0)
    alarms.set("later", 100.0)
    alarms.set("later", 200.0)
    await asyncio.sleep(0.05)
    assert rung == ["sooner"]
    alarms.stop()


async def test_a_closed_window_is_left_alone_and_so_are_all_when_it_stops() -> None:
    rung: list[str] = []
    alarms = Alarms(rung.append, Clock())
    alarms.set("closed", 100.0)
    alarms.set("open", 100.0)
    alarms.unset("closed")
    alarms.unset("never set")
    await asyncio.sleep(0.05)
    assert rung == ["open"]
    alarms.set("after", 100.0)
    alarms.stop()
    await asyncio.sleep(0.05)
    assert rung == ["open"]
