"""Every query of every dashboard on the real engine: no error, and nothing empty."""

from __future__ import annotations

from typing import Any

import pytest

from fedbed.telemetry.definition import MEASUREMENTS
from monitoring.dashboards.telegraf import CONTAINERS
from tests.monitoring.asking import ALL, NAMES, Asked, asked, panels
from tests.monitoring.conftest import Lab
from tests.monitoring.filled import CONTAINER_NAMES, NODES, RUNS

QUERIES = [each for name in NAMES for each in asked(name)]
CHOICES: dict[str, dict[str, str | list[str]]] = {
    "all": {"run": ALL, "node": ALL, "container": ALL},
    "one": {"run": RUNS[1], "node": NODES[2], "container": CONTAINER_NAMES[0]},
    "two": {"run": list(RUNS), "node": list(NODES[:2]), "container": list(CONTAINER_NAMES)},
}
ELSEWHERE = ("one", "node, annotation Faults"), ("one", "node, annotation Nodes")
"""Nothing has happened to the node of 'one'."""


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.where)
def test_each_query_is_answered(lab: Lab, query: Asked) -> None:
    for name, chosen in CHOICES.items():
        rows = lab.ask(query.query, **chosen)
        assert rows or (name, query.where) in ELSEWHERE, f"{name}: {query.query}"


def test_every_measurement_is_shown_somewhere() -> None:
    text = "\n".join(query.query for query in QUERIES)
    for measurement in (*MEASUREMENTS, *CONTAINERS):
        assert f'"{measurement.name}"' in text


def columns_of(lab: Lab, panel: dict[str, Any]) -> set[str]:
    """What a panel's tables have as columns, by their names in Grafana."""
    rows = [row for t in panel["targets"] for row in lab.ask(t["query"], **CHOICES["all"])]
    found = {"Time" if column == "time" else column for row in rows for column in row}
    for transformation in panel.get("transformations", []):
        found |= set(transformation["options"].get("renameByName", {}).values())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_columns_that_are_arranged_are_those_that_are_answered(lab: Lab, name: str) -> None:
    for panel in panels(name):
        if not any(target["resultFormat"] == "table" for target in panel["targets"]):
            continue
        meant = {o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"]}
        for transformation in panel.get("transformations", []):
            options = transformation["options"]
            meant |= set(options.get("include", {}).get("names", []))
            meant |= set(options.get("indexByName", {})) | set(options.get("renameByName", {}))
            meant |= {options["byField"]} if "byField" in options else set()
            meant |= set(options.get("fields", []))
        meant |= {panel["options"][key] for key in ("xField",) if key in panel["options"]}
        fields = panel["options"].get("reduceOptions", {}).get("fields", "")
        meant |= {fields.strip("/^$")} - {""}
        assert meant <= columns_of(lab, panel), panel["title"]


def values(lab: Lab, board: str, panel: str, column: str, **chosen: str | list[str]) -> set[object]:
    """What a panel's queries answer in a column, with all runs and nodes unless told otherwise."""
    found = [query.query for query in QUERIES if query.where.startswith(f"{board}, {panel}, ")]
    assert found
    chosen = {**CHOICES["all"], **chosen}
    return {row[column] for query in found for row in lab.ask(query, **chosen) if column in row}


def test_one_node_is_not_taken_for_another_whose_name_begins_alike(lab: Lab) -> None:
    for chosen in ("node-1", "pi.lab"):
        assert values(lab, "fleet", "Processor", "node", node=chosen) == {chosen}
    assert values(lab, "fleet", "Processor", "node", node=list(NODES[:2])) == set(NODES[:2])
    assert values(lab, "fleet", "Processor", "node", node="pi.la") == set()


def test_numbers_at_the_top_are_right(lab: Lab) -> None:
    assert values(lab, "fleet", "Training", "count") == {2}
    assert values(lab, "fleet", "Offline", "count") == {1}
    assert values(lab, "fleet", "Throttled", "count") == {1}
    assert values(lab, "run", "Best", "metric", run=RUNS[0]) == {1 - 0.5 / 6}
    rounds = lab.database.query(f"SELECT bytes_up FROM fedbed_round WHERE run = '{RUNS[0]}'")
    sent = sum(row["bytes_up"] for row in rounds)
    assert values(lab, "run", "Sent by nodes", "bytes_up", run=RUNS[0]) == {sent}


def test_a_counter_is_shown_as_growth_in_a_second(lab: Lab) -> None:
    name = "non_negative_derivative"
    assert values(lab, "node", "Network", name, node="node-1") == {100}


def test_the_gantt_has_a_row_for_each_node_and_all_phases(lab: Lab) -> None:
    title = "The rounds as a Gantt chart"
    assert values(lab, "run", title, "node", run=RUNS[0]) == set(NODES)
    phases = {"wait", "download", "train", "test", "upload", "idle"}
    assert values(lab, "run", title, "phase", run=RUNS[0]) == phases


def test_curves_over_rounds_have_their_run_and_round_in_columns(lab: Lab) -> None:
    title = "How good the model is"
    assert values(lab, "compare", title, "run") == set(RUNS)
    assert values(lab, "compare", title, "round") == {1, 2, 3, 4, 5}
    for column in ("federated", "centralised"):
        assert len(values(lab, "compare", title, column)) == 5
