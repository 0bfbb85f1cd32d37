from __future__ import annotations

from typing import Any

import pytest

from fedbed.cli import readings
from tests.fedbed.cli import pictures


def test_series_reads_rows_and_their_metrics_and_skips_the_rest() -> None:
    history: Any = [
        {"accuracy": 0.5},
        {"metrics": {"accuracy": 0.6}},
        {"accuracy": None},
        {"accuracy": float("nan")},
        "nonsense",
        {"accuracy": True},
    ]
    assert readings.series(history, "accuracy") == [0.5, 0.6]
    assert readings.series(None, "accuracy") == []


def test_metric_is_the_loss_where_there_is_no_accuracy() -> None:
    assert readings.metric_of({"history": [{"loss": 1.0}]}) == "loss"
    assert readings.metric_of({"history": [{"loss": 1.0, "accuracy": 0.1}]}) == "accuracy"
    assert readings.metric_of({}) == "accuracy"


def test_best_knows_that_less_loss_is_better() -> None:
    assert readings.best([3.0, 1.0, 2.0], "loss") == 1.0
    assert readings.best([3.0, 1.0, 2.0], "accuracy") == 3.0


@pytest.mark.parametrize(
    ("value", "metric", "shown"),
    [(0.98123, "accuracy", "98.12 %"), (0.98123, "loss", "0.9812"), (None, "accuracy", "-")],
)
def test_score(value: object, metric: str, shown: str) -> None:
    assert readings.score(value, metric) == shown


def test_difference() -> None:
    assert readings.difference(0.0068, "accuracy") == "+0.68 points"
    assert readings.difference(-0.5, "loss") == "-0.5"
    assert readings.difference(None, "loss") == "-"


@pytest.mark.parametrize(
    ("values", "width", "drawn"),
    [([], 5, ""), ([1, 1], 5, "▄▄"), ([0, 1], 5, "▁█"), ([9, 0, 1], 2, "▁█"), ([1], 0, "")],
)
def test_sparkline(values: list[float], width: int, drawn: str) -> None:
    assert readings.sparkline(values, width) == drawn


def test_headlines() -> None:
    assert readings.headline(pictures.run()) == "round 3 of 10"
    twin = pictures.run(phase="twin", twin=[pictures.row(1, 0.9)])
    assert readings.headline(twin) == "centralised twin, round 2 of 10"
    assert readings.headline({"phase": "report"}) == "writing the report"
    assert readings.headline({"phase": "starting", "detail": "reading data"}) == (
        "starting: reading data"
    )
    assert readings.headline({}) == "queued"


def test_steps_leave_the_evaluation_before_the_first_round_out() -> None:
    run = pictures.run(history=[pictures.row(0, 0.1), pictures.row(1, 0.9)])
    assert readings.steps(run) == (1, 10)
    assert readings.steps(pictures.run(phase="finished")) == (10, 10)
    assert readings.steps({}) == (0, 0)


def test_clock() -> None:
    assert readings.clock(pictures.run()) == "12 s, about 8 s left"
    assert readings.clock(pictures.run(state="finished")) == "12 s"
    assert readings.clock({}) == ""


def test_a_nodes_last_time_is_what_it_worked_not_what_it_waited() -> None:
    assert readings.last_seconds(pictures.run()) == pytest.approx({"node-1": 1.2, "node-2": 1.2})


def test_only_what_concerns_the_run() -> None:
    picture = pictures.picture()
    nodes = readings.nodes_of(pictures.run(), picture["nodes"])
    assert [node["name"] for node in nodes] == ["node-1", "node-2"]
    assert len(readings.nodes_of(pictures.run(roster=[]), picture["nodes"])) == 3
    events = readings.events_of("r1", picture["events"])
    assert [event["run"] for event in events] == ["", "r1"]
