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


def test_a_flat_curve_looks_flat() -> None:
    flat = [0.8312, 0.8291, 0.8305, 0.8299]
    assert readings.least_span(flat, "accuracy") == 0.05
    assert set(readings.sparkline(flat, 9, 0.05)) <= {"▄", "▅"}
    assert readings.sparkline([0.5, 0.83], 9, 0.05) == "▁█"
    assert readings.least_span([2.0, -4.0], "loss") == pytest.approx(0.4)
    assert readings.sparkline([0.0, 0.0], 9, readings.least_span([0.0], "loss")) == "▄▄"


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


def test_the_twin_to_come_counts_for_the_time_left() -> None:
    run = pictures.run(twin_wanted=True)
    # Two nodes of 1.1 s in round 1, one in round 2; ten steps of that length on average.
    assert readings.seconds_left(run) == pytest.approx(8.0 + 10 * (2.2 + 1.1) / 2)
    assert readings.clock(run) == "12 s, about 24 s left"
    began = {**run, "phase": "twin", "seconds_left": None}
    assert readings.seconds_left(began) == pytest.approx(10 * (2.2 + 1.1) / 2)
    under_way = {**run, "phase": "twin", "twin": [pictures.row(1, 0.9)]}
    assert readings.seconds_left(under_way) == 8.0
    assert readings.seconds_left({**run, "seconds_left": None}) is None
    assert readings.seconds_left({**run, "history": []}) == 8.0


def test_a_nodes_last_time_is_what_it_worked_not_what_it_waited() -> None:
    assert readings.last_seconds(pictures.run()) == pytest.approx({"node-1": 1.2, "node-2": 1.2})


def test_only_what_concerns_the_run() -> None:
    picture = pictures.picture()
    nodes = readings.nodes_of(pictures.run(), picture["nodes"])
    assert [node["name"] for node in nodes] == ["node-1", "node-2"]
    assert len(readings.nodes_of(pictures.run(roster=[]), picture["nodes"])) == 3
    events = readings.events_of("r1", picture["events"])
    assert [event["run"] for event in events] == ["", "r1"]


def test_virtual_nodes_are_told_and_what_they_took_is_their_node_s() -> None:
    assert readings.virtual({"nodes": 100, "agents": 4}) == "100 virtual nodes on 4 agents"
    assert readings.virtual({"nodes": 4, "agents": None}) == readings.virtual({}) == ""
    parts = [{"name": f"node-1/{p}", "host": "node-1", "timeline": {"work_s": 1.5}} for p in (0, 2)]
    assert readings.last_seconds({"history": [{"nodes": parts}]}) == {"node-1": 3.0}
