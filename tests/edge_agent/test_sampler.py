"""Sampling: what is stamped and delivered, and what a probe that fails or hangs costs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from edge_agent import lanes, sampler
from edge_agent.clock import Clock
from edge_agent.probes.base import Probe
from edge_agent.probes.processor import ProcessorProbe
from edge_agent.sampler import Sampler
from fedbed.telemetry.definition import faults
from fedbed.telemetry.point import Point, Sample

LIMIT_S = 30.0


class Made(Probe):
    """Reads what a test says. The sensor's name tells probes apart."""

    def __init__(self, name: str, act: Callable[[], object] = lambda: None) -> None:
        self.name = name
        self.act = act
        self.reads = 0
        self.is_closed = False

    def read(self) -> list[Sample]:
        self.reads += 1
        self.act()
        return [Sample("fedbed_temperature", {"value": 20.0}, {"sensor": self.name})]

    def close(self) -> None:
        self.is_closed = True


class Hang:
    """Waits when called, until a test lets it go."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.began = threading.Event()

    def __call__(self) -> None:
        self.began.set()
        assert self.free.wait(LIMIT_S)


def fail() -> None:
    raise OSError(5, "Input/output error")


def known() -> Clock:
    clock = Clock()
    now = clock.now()
    clock.learn(now, now, 1_790_000_000.0, 0.0)
    return clock


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Sampler]]:
    monkeypatch.setattr(lanes, "LIMIT_S", 0.3)
    made: list[Sampler] = []

    def make(*probes: Probe, clock: Clock | None = None) -> Sampler:
        made.append(Sampler("pi-1", clock or known(), probes, lambda _: None))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def sensors(points: list[Point]) -> list[str]:
    return [point.tags["sensor"] for point in points]


def until(predicate: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT_S
    while not predicate():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_points_of_a_sample_have_the_node_and_one_time(make: Callable[..., Sampler]) -> None:
    clock = known()
    before = clock.stamp_ns(clock.now())
    points = make(Made("a"), ProcessorProbe(), Made("b"), clock=clock).sample()
    after = clock.stamp_ns(clock.now())
    assert before is not None
    assert after is not None
    assert len(points) == 3
    assert len({point.at_ns for point in points}) == 1
    assert before <= points[0].at_ns <= after
    for point in points:
        assert point.tags["node"] == "pi-1"
        assert faults(point.measurement, dict(point.tags), dict(point.fields)) == []


def test_absent_probes_are_not_asked_nor_one_that_turns_out_to_be(
    make: Callable[..., Sampler],
) -> None:
    absent, leaving, present = Made("absent"), Made("leaving"), Made("present")
    absent.absent = "not here"
    leaving.act = lambda: setattr(leaving, "absent", "gone")
    made = make(absent, leaving, present)
    assert sensors(made.sample()) == ["leaving", "present"]
    assert sensors(made.sample()) == ["present"]
    assert (absent.reads, leaving.reads) == (0, 1)
    assert made.failures == 0


def test_a_failure_costs_the_others_nothing_and_is_logged_once_until_it_changes(
    make: Callable[..., Sampler], caplog: pytest.LogCaptureFixture
) -> None:
    broken = Made("broken", fail)
    made = make(Made("a"), broken, Made("b"))
    with caplog.at_level(logging.WARNING, "fedbed.probes"):
        for _ in range(3):
            assert sensors(made.sample()) == ["a", "b"]
        broken.act = lambda: 1 / 0
        made.sample()
    assert made.failures == 4
    assert [record.getMessage() for record in caplog.records] == [
        "the probe 'broken': [Errno 5] Input/output error",
        "the probe 'broken': division by zero",
    ]
    broken.act = lambda: None
    assert sensors(made.sample()) == ["a", "broken", "b"]


def test_a_probe_that_hangs_is_left_alone_and_asked_again_when_it_has_come_back(
    make: Callable[..., Sampler], caplog: pytest.LogCaptureFixture
) -> None:
    hang = Hang()
    stuck = Made("stuck", hang)
    made = make(Made("a"), stuck, Made("b"))
    with caplog.at_level(logging.WARNING, "fedbed.probes"):
        assert sensors(made.sample()) == ["a", "b"]
    assert [record.getMessage() for record in caplog.records] == [
        "the probe 'stuck': took longer than 0.3 s"
    ]
    threads = threading.active_count()
    for _ in range(5):
        assert sensors(made.sample()) == ["a", "b"]
    assert (stuck.reads, made.failures) == (1, 1)
    assert threading.active_count() == threads
    hang.free.set()
    until(lambda: "stuck" in sensors(made.sample()))
    assert made.failures == 1
    until(lambda: threading.active_count() == threads - 1)


def test_several_may_hang(make: Callable[..., Sampler]) -> None:
    hangs = [Hang(), Hang(), Hang()]
    stuck = [Made(str(number), hang) for number, hang in enumerate(hangs)]
    made = make(stuck[0], stuck[1], Made("a"), stuck[2])
    assert sensors(made.sample()) == ["a"]
    assert sensors(made.sample()) == ["a"]
    assert made.failures == 3
    for hang in hangs:
        hang.free.set()
    until(lambda: len(made.sample()) == 4)


def test_a_slow_probe_holds_up_nobody_and_its_time_is_that_of_its_reading(
    make: Callable[..., Sampler],
) -> None:
    hang = Hang()
    slow = Made("slow", hang)
    slow.is_slow = True
    made = make(Made("a"), slow)
    (first,) = made.sample()
    assert hang.began.wait(LIMIT_S)
    assert sensors(made.sample()) == ["a"]
    hang.free.set()
    points: list[Point] = []

    def has_come() -> bool:
        points.extend(made.sample())
        return "slow" in sensors(points)

    until(has_come)
    late = next(point for point in points if point.tags["sensor"] == "slow")
    assert late.at_ns == first.at_ns
    assert made.failures == 0


def test_a_slow_probe_has_a_limit_too(
    make: Callable[..., Sampler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "SLOW_LIMIT_S", 0.2)
    hang = Hang()
    slow = Made("slow", hang)
    slow.is_slow = True
    made = make(slow, Made("a"))
    until(lambda: made.sample() and made.failures)
    assert slow.reads == 1
    hang.free.set()
    until(lambda: "slow" in sensors(made.sample()))


def test_samples_wait_until_the_coordinators_time_is_known(make: Callable[..., Sampler]) -> None:
    clock = Clock()
    made = make(Made("a"), clock=clock)
    assert made.sample() == []
    time.sleep(0.05)
    assert made.sample() == []
    now = clock.now()
    clock.learn(now, now, 1_790_000_000.0, 0.0)
    points = made.sample()
    assert len(points) == 3
    stamps = [point.at_ns for point in points]
    assert stamps == sorted(stamps)
    assert stamps[1] - stamps[0] >= 40_000_000
    assert stamps[1] <= 1_790_000_000 * 10**9


def test_what_waits_is_bounded_and_the_oldest_goes(
    make: Callable[..., Sampler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler, "HELD", 4)
    clock = Clock()
    made = make(Made("a"), Made("b"), clock=clock)
    for _ in range(5):
        made.sample()
    assert made.dropped == 6
    now = clock.now()
    clock.learn(now, now, 1_790_000_000.0, 0.0)
    assert len(made.sample()) == 6


def test_the_thread_delivers_until_it_is_stopped() -> None:
    came: list[list[Point]] = []
    probe = Made("a")
    made = Sampler("pi-1", known(), [probe], came.append, interval_s=0.05)
    made.start()
    until(lambda: len(came) >= 3)
    made.stop()
    made.stop()  # once more is no error
    assert probe.is_closed
    delivered = len(came)
    time.sleep(0.2)
    assert len(came) == delivered
    stamps = [points[0].at_ns for points in came]
    assert stamps == sorted(stamps)


def test_a_delivery_that_fails_is_counted_and_tried_with_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    came: list[list[Point]] = []

    def deliver(points: list[Point]) -> None:
        came.append(points)
        if len(came) < 3:
            raise OSError("no room")

    made = Sampler("pi-1", known(), [Made("a")], deliver, interval_s=0.02)
    with caplog.at_level(logging.WARNING, "fedbed.probes"):
        made.start()
        until(lambda: len(came) >= 4)
        made.stop()
    assert (made.dropped, made.failures) == (2, 2)
    assert [r.getMessage() for r in caplog.records] == ["the delivery of samples: no room"]


def test_it_stops_although_a_probe_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "LIMIT_S", 0.3)
    hang = Hang()
    made = Sampler("pi-1", known(), [Made("stuck", hang)], lambda _: None, interval_s=0.05)
    made.start()
    assert hang.began.wait(LIMIT_S)
    made.stop()
    until(lambda: not [t for t in threading.enumerate() if t.name == "sampler"])
    hang.free.set()
