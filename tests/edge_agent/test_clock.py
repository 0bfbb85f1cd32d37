"""The coordinator's time on a node: how far stamps may be off, and what must not move them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge_agent.clock import DRIFT, WINDOW_S, Clock, WallClock, running
from tests.edge_agent.peer import Peer
from tests.parts import shifted

ROOT = Path(__file__).resolve().parents[2]
OFFSET = 1_790_000_000.0
"""Of the coordinator's clock against the node's running one, in these tests."""


@dataclass
class Nodes:
    """A node's clock in a made-up world; all in seconds."""

    now: float = 100.0
    wall: float = 5_000.0
    offset: float = OFFSET

    def __post_init__(self) -> None:
        self.clock = Clock(lambda: self.now, lambda: self.wall)

    def exchange(self, there: float, held: float, back: float) -> None:
        sent = self.now
        self.now += there + held
        told = self.now + self.offset
        self.now += back
        self.clock.learn(sent, self.now, told, held)

    def off(self) -> float:
        """By how much stamps are wrong."""
        stamp = self.clock.stamp_ns(self.now)
        assert stamp is not None
        return stamp / 1e9 - (self.now + self.offset)


def test_nothing_is_known_before_the_first_answer() -> None:
    clock = Nodes().clock
    assert clock.stamp_ns(100.0) is None
    assert clock.error_s() is None
    assert clock.wall_ahead_s() is None


@pytest.mark.parametrize(
    ("there", "held", "back"),
    [(0.01, 0.0, 0.01), (0.01, 8.0, 0.01), (0.0, 8.0, 0.4), (0.4, 8.0, 0.0), (0.1, 0.5, 3.0)],
)
def test_stamps_are_off_by_half_the_transfer_at_most(
    there: float, held: float, back: float
) -> None:
    node = Nodes()
    node.exchange(there, held, back)
    bound = node.clock.error_s()
    assert bound is not None
    assert abs(node.off()) <= bound + 1e-6
    assert bound <= (there + back) / 2 + DRIFT * (there + held + back) + 1e-9


def test_the_exchange_with_the_least_transfer_counts() -> None:
    node = Nodes()
    node.exchange(0.001, 1.0, 0.001)
    for _ in range(20):
        node.exchange(0.0, 1.0, 0.9)
    assert abs(node.off()) < 0.001


def test_an_old_exchange_gives_way_to_a_worse_one_before_it_has_drifted_further() -> None:
    node = Nodes()
    node.exchange(0.0, 0.0, 0.0)
    node.now += WINDOW_S / 2
    node.offset += DRIFT * WINDOW_S / 2
    node.exchange(0.005, 1.0, 0.005)
    assert abs(node.off()) < 0.006


def test_the_nodes_wall_clock_may_be_set_without_any_effect() -> None:
    node = Nodes()
    node.exchange(0.01, 1.0, 0.01)
    before = node.clock.stamp_ns(node.now)
    ahead = node.clock.wall_ahead_s()
    assert ahead is not None
    node.wall += 7200.0
    assert node.clock.stamp_ns(node.now) == before
    assert node.clock.wall_ahead_s() == pytest.approx(ahead + 7200.0)


def test_when_the_coordinators_clock_is_set_stamps_follow_at_the_next_answer() -> None:
    node = Nodes()
    node.exchange(0.0, 1.0, 0.001)
    for step in (3600.0, -7200.0):
        node.offset += step
        node.exchange(0.1, 1.0, 0.1)
        assert abs(node.off()) < 0.2


@pytest.mark.parametrize("now_s", [0.0, -5.0, float("nan"), float("inf"), "12", None, 10**400, []])
def test_what_is_no_time_teaches_nothing(now_s: Any) -> None:
    clock = Nodes().clock
    clock.learn(100.0, 101.0, now_s, 0.0)
    assert clock.stamp_ns(100.0) is None


@pytest.mark.parametrize("held_s", [-1.0, float("nan"), "1", None])
def test_nor_does_an_impossible_wait(held_s: Any) -> None:
    clock = Nodes().clock
    clock.learn(100.0, 101.0, OFFSET, held_s)
    assert clock.stamp_ns(100.0) is None


def test_what_is_kept_does_not_grow() -> None:
    node = Nodes()
    for number in range(2000):
        node.exchange(0.0, 1.0, 0.001 * (number % 7))
    assert len(node.clock._kept) < 20


def test_the_running_clock_is_not_the_wall_clock() -> None:
    first, second = running(), running()
    assert first <= second < time.time() / 10


def test_the_wall_clock_stamps_with_itself() -> None:
    clock = WallClock()
    stamp = clock.stamp_ns(clock.now())
    assert stamp is not None
    assert abs(stamp / 1e9 - time.time()) < 60.0


NODE = """
import json, sys, time
from edge_agent.clock import Clock
from edge_agent.link import Link
clock, link = Clock(), Link(sys.argv[1])
for _ in range(3):
    sent = clock.now()
    answer = link.call("POST", "/api/v1/nodes/n-1/work", {"wait_s": 0.2, "holding": []})
    clock.learn(sent, clock.now(), answer["now_s"], answer["held_s"])
print(json.dumps([clock.stamp_ns(clock.now()), clock.error_s(), clock.wall_ahead_s()]))
"""


@pytest.mark.parametrize("offset", ["+5h", "-1y"])
def test_a_node_whose_clock_is_off_stamps_with_the_coordinators_time(
    peer: Peer, offset: str
) -> None:
    started = time.time()
    done = subprocess.run(
        [sys.executable, "-c", NODE, peer.url],
        env={**os.environ, **shifted(offset)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    ended = time.time()
    stamp_ns, error_s, ahead_s = json.loads(done.stdout)
    assert started - error_s <= stamp_ns / 1e9 <= ended + error_s
    wanted = {"+5h": 5 * 3600.0, "-1y": -365 * 86400.0}[offset]
    assert ahead_s == pytest.approx(wanted, abs=error_s + 2.0)
