"""What a run's process asks the coordinator for before it writes down its results."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from coordinator.runner.channel import Channel, RunStopped
from coordinator.runner.order import Order
from coordinator.runner.outcome import Outcome
from coordinator.runs.spec import RunSpec
from fedbed.link.messages import BlobRef


class Asked:
    """Stands in for the channel: gives one answer, or says that the run was stopped."""

    def __init__(self, answer: dict[str, Any] | None) -> None:
        self.answer = answer
        self.questions: list[tuple[str, dict[str, Any]]] = []

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        self.questions.append((op, fields))
        if self.answer is None:
            raise RunStopped("the run was stopped")
        return self.answer


def outcome(folder: Path, has_samples: bool) -> Outcome:
    spec = RunSpec("app", bundle=BlobRef("0" * 64, 1), serverapp="a:b", clientapp="a:c")
    order = Order("r-1", 1, spec, folder, folder, None, folder, 1, False, has_samples)
    return Outcome(order, None)


def hardware_of(made: Outcome, channel: Asked) -> dict[str, Any]:
    made.ask_for_samples(cast(Channel, channel))
    found: dict[str, Any] = made.result("finished", "")["hardware"]
    return found


def test_samples_are_asked_of_the_time_of_the_run(tmp_path: Path) -> None:
    channel = Asked({"event": "samples", "nodes": {}, "error": ""})
    assert hardware_of(outcome(tmp_path, True), channel)["without_samples"] == ""
    ((op, fields),) = channel.questions
    assert op == "samples"
    assert 1_600_000_000 < fields["begin"] <= fields["end"]


def test_without_a_database_nobody_is_asked(tmp_path: Path) -> None:
    channel = Asked(None)
    found = hardware_of(outcome(tmp_path, False), channel)
    assert found["without_samples"] == "no InfluxDB is configured at the coordinator"
    assert channel.questions == []


@pytest.mark.parametrize("answer", [None, {"event": "nodes", "nodes": [], "enough": True}])
def test_a_run_that_was_stopped_has_a_report_all_the_same(
    tmp_path: Path, answer: dict[str, Any] | None
) -> None:
    found = hardware_of(outcome(tmp_path, True), Asked(answer))
    assert found["without_samples"] == "the run was stopped"
