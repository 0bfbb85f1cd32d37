from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coordinator.live import EVENTS_KEPT, GATHER_LIMIT_S, GATHER_S, SHARE, Live, Picture


async def test_a_watcher_gets_what_has_changed_already_at_once() -> None:
    live = Live()
    live.changed()
    assert await asyncio.wait_for(live.wait(1, 60.0), 10) == 2


async def test_all_watchers_wake_on_a_change() -> None:
    live = Live()
    watchers = [asyncio.ensure_future(live.wait(live.version, 60.0)) for _ in range(50)]
    await asyncio.sleep(0)
    assert not any(w.done() for w in watchers)
    live.say("pi-1 joined", node="n-1")
    assert await asyncio.wait_for(asyncio.gather(*watchers), 10) == [2] * 50


async def test_a_wait_ends_with_its_time() -> None:
    live = Live()
    assert await live.wait(1, 0.01) == 1


async def test_a_version_of_an_earlier_life_does_not_wait() -> None:
    live = Live()
    assert await asyncio.wait_for(live.wait(5000, 60.0), 10) == 1


async def test_the_latest_events_are_kept() -> None:
    live = Live()
    for i in range(EVENTS_KEPT + 5):
        live.say(str(i), run="a" if i % 2 else "b")
    texts = [event["text"] for event in live.events()]
    assert len(texts) == EVENTS_KEPT
    assert texts[-1] == str(EVENTS_KEPT + 4)
    assert {event["run"] for event in live.events("a")} == {"a"}


def test_costly_pictures_come_less_often_but_they_come() -> None:
    live = Live()
    live.drawn(0.001)
    assert live.gather_s == GATHER_S
    live.drawn(0.02)
    assert live.gather_s == pytest.approx(0.02 / SHARE)
    live.drawn(60.0)
    assert live.gather_s == GATHER_LIMIT_S


def test_watchers_of_one_version_share_a_picture() -> None:
    live = Live()
    drawn: list[int] = []

    def draw() -> dict[str, Any]:
        drawn.append(live.version)
        return {"version": live.version, "loss": float("nan")}

    picture = Picture(live, draw)
    assert picture.body() == picture.body() == b'{"version":1,"loss":null}'
    live.changed()
    assert picture.body() == b'{"version":2,"loss":null}'
    assert drawn == [1, 2]
