"""What adds up over runs and their resumptions."""

from __future__ import annotations

from coordinator.telemetry.tally import Tally


def traffic(up: int, down: int) -> dict[str, int]:
    return {"up": up, "down": down}


def test_traffic_of_several_runs_adds_up_and_outlives_them() -> None:
    tally = Tally()
    tally.published("a", "traffic", traffic(10, 20))
    tally.published("b", "traffic", traffic(1, 2))
    tally.published("a", "traffic", traffic(15, 25))
    tally.published("a", "round", {})
    tally.published("a", "phase", {})
    tally.ended("a")
    assert (tally.bytes_up, tally.bytes_down, tally.rounds) == (16, 27, 1)


def test_what_a_resumed_run_had_sent_before_is_not_counted_again() -> None:
    tally = Tally()
    tally.published("a", "traffic", traffic(100, 100))
    tally.published("a", "resumed", {})
    tally.published("a", "traffic", traffic(80, 80))
    tally.published("a", "traffic", traffic(90, 85))
    assert (tally.bytes_up, tally.bytes_down) == (110, 105)
