"""The CSV: one row per round and series, with the result's own figures."""

from __future__ import annotations

import csv
import io
import math

from coordinator.report import metrics_csv, render
from tests.coordinator.report import samples


def parse(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_parses_back_to_the_same_figures() -> None:
    result = samples.experiment()
    table = {(int(row["round"]), row["series"]): row for row in parse(metrics_csv(result))}
    for row in result["history"]:
        line = table[row["round"], "federated"]
        for key in ("accuracy", "loss", "train_loss", "wall_s", "overhead_s", "evaluate_s"):
            assert float(line[key]) == row[key]
        for key in ("asked", "participants", "bytes_up", "bytes_down"):
            assert int(line[key]) == row[key]
        assert float(line["metric:update_norm"]) == row["metrics"]["update_norm"]
        assert line["partition"] == line["work_s"] == ""
        for node in row["nodes"]:
            line = table[row["round"], node["name"]]
            assert int(line["partition"]) == node["partition"]
            assert float(line["upload_s"]) == node["upload_s"]
            assert int(line["bytes_up"]) == node["bytes_up"]
            assert float(line["train_loss"]) == node["metrics"]["train_loss"]
            assert int(line["metric:num-examples"]) == node["metrics"]["num-examples"]
            for key in ("work_s", "wait_s", "start_s", "cpu_s"):
                assert float(line[key]) == node["timeline"][key]
            assert int(line["peak_rss_bytes"]) == node["timeline"]["peak_rss_bytes"]
            assert int(line["bytes_down"]) == node["timeline"]["bytes_down"]
    for row in result["twin"]:
        line = table[row["round"], "centralised"]
        assert float(line["accuracy"]) == row["accuracy"]
        assert float(line["wall_s"]) == row["wall_s"]
    assert len(table) == sum(2 + len(row["nodes"]) for row in result["history"])


def test_rows_are_in_order_and_lines_end_in_a_line_feed() -> None:
    text = metrics_csv(samples.experiment(3, 2, lose=False))
    assert "\r" not in text
    assert [(row["round"], row["series"]) for row in parse(text)] == [
        (index, name)
        for index in ("1", "2")
        for name in ("federated", "centralised", "pi-01", "pi-02", "pi-03")
    ]


def test_a_node_may_be_called_like_a_series_or_hold_commas() -> None:
    result = samples.experiment(2, 1, names='federated,"{}"\n')
    result["history"][0]["nodes"][0]["name"] = "federated"
    rows = parse(metrics_csv(result))
    assert [row["partition"] for row in rows if row["series"] == "federated"] == ["", "0"]
    assert {row["series"] for row in rows} >= {'federated,"2"\n'}


def test_metrics_of_an_app_have_columns() -> None:
    result = samples.app()
    rows = parse(metrics_csv(result))
    assert float(rows[0]["metric:eval_f1"]) == result["history"][0]["metrics"]["eval_f1"]
    assert rows[0]["accuracy"] == ""


def test_updates_that_came_one_by_one_are_listed_as_they_came() -> None:
    result = samples.experiment(2, 2, lose=False)
    assert "staleness" not in metrics_csv(result)
    assert "staleness" not in render(result)
    for entry in result["history"]:
        entry["staleness"] = 2.5
        entry["nodes"] = [dict(entry["nodes"][1], staleness=s) for s in (4, 1)]
    rows = [row for row in parse(metrics_csv(result)) if row["round"] == "2"]
    assert [row["staleness"] for row in rows if row["series"] == "pi-02"] == ["4", "1"]
    assert [row["staleness"] for row in rows if row["series"] == "federated"] == ["2.5"]
    page = render(result)
    assert "staleness" in page
    assert "2.5" in page


def test_empty_and_odd_results() -> None:
    head = metrics_csv({})
    assert head.startswith("round,series,partition,accuracy,loss,train_loss,asked,participants,")
    assert head.count("\n") == 1
    for junk in (None, 3, "x", [None, 4], {"a": 1}):
        assert parse(metrics_csv({"history": junk, "twin": junk, "nodes": junk})) == []
    odd = {"history": [{"loss": math.nan, "nodes": [{}], "metrics": {"round": 3, "\ud800": 1}}]}
    metrics_csv(odd).encode()
    assert parse(metrics_csv(odd))[0]["loss"] == "nan"


def test_rounds_that_have_reached_the_target_are_marked() -> None:
    rows = [{"round": r, "accuracy": 0.3 * r, "nodes": [{"partition": 0}]} for r in (1, 2, 3)]
    twin = [{"round": r, "accuracy": 0.1} for r in (1, 2, 3)]
    target = {"value": 0.5, "round": 2, "centralised": {"round": None}}
    text = metrics_csv({"history": rows, "twin": twin, "target": target})
    marks = [(row["series"], row["target_reached"]) for row in parse(text)]
    assert [mark for series, mark in marks if series == "federated"] == ["0", "1", "1"]
    assert [mark for series, mark in marks if series == "centralised"] == ["0", "0", "0"]
    assert {mark for series, mark in marks if series not in ("federated", "centralised")} == {""}
