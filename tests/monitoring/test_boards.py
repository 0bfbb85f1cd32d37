"""What holds for every dashboard: its layout, its words, its links."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from fedbed.telemetry.definition import by_name
from monitoring.dashboards import __main__ as writer
from monitoring.dashboards import colours
from monitoring.dashboards.board import PAGES
from tests.monitoring.asking import NAMES, board, panels

COLUMNS = 24
UNITS = {
    "percent",
    "percentunit",
    "decbytes",
    "Bps",
    "s",
    "celsius",
    "watt",
    "hertz",
    "cps",
    "short",
}


def test_the_files_are_not_stale() -> None:
    asked = [sys.executable, "-m", "monitoring.dashboards", "--check"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_stale_missing_and_left_over_files_are_found_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(writer, "FOLDER", tmp_path)
    assert writer.main(["--check"]) == 1
    assert writer.main([]) == 0
    assert writer.main(["--check"]) == 0
    (tmp_path / "dashboards" / "old.json").write_text("{}")
    (tmp_path / "dashboards" / "fleet.json").write_text("{}")
    kept = tmp_path / "grafana.ini"
    kept.write_text("")
    capsys.readouterr()
    assert writer.main(["--check"]) == 1
    told = capsys.readouterr().err
    assert "old.json" in told and "fleet.json" in told and "node.json" not in told
    assert writer.main([]) == 0
    assert writer.main(["--check"]) == 0
    assert kept.exists()


def test_pages_are_those_that_are_written() -> None:
    assert tuple(page.name for page in PAGES) == NAMES
    for page in PAGES:
        read = board(page.name)
        assert (read["uid"], read["title"]) == (page.uid, page.title)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_overlaps_or_sticks_out(name: str) -> None:
    placed = [panel["gridPos"] for panel in board(name)["panels"]]
    for each in placed:
        assert each["x"] >= 0 and each["x"] + each["w"] <= COLUMNS
    for one, other in combinations(placed, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or apart, f"{one} and {other}"


@pytest.mark.parametrize("name", NAMES)
def test_no_row_is_left_half_empty(name: str) -> None:
    filled: dict[int, int] = {}
    for panel in board(name)["panels"]:
        place = panel["gridPos"]
        filled[place["y"]] = filled.get(place["y"], 0) + place["w"]
    assert set(filled.values()) == {COLUMNS}


@pytest.mark.parametrize("name", NAMES)
def test_each_panel_has_its_own_title_a_question_and_a_unit(name: str) -> None:
    shown = panels(name)
    titles = [panel["title"] for panel in shown]
    assert len(set(titles)) == len(titles)
    assert [panel["id"] for panel in board(name)["panels"]] == list(
        range(1, len(board(name)["panels"]) + 1)
    )
    for panel in shown:
        assert "?" in panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_dashboards_and_variables_that_exist(name: str) -> None:
    known = {f"fedbed-{other}": variables(other) for other in NAMES}
    addresses = [link["url"] for link in board(name)["links"]]
    assert len(addresses) == len(NAMES) - 1
    addresses += list(data_links(board(name)["panels"]))
    for address in addresses:
        path, _, arguments = address.partition("?")
        uid = path.removeprefix("/d/")
        assert uid in known
        for argument in arguments.split("&"):
            if argument.startswith("var-"):
                assert argument.split("=")[0].removeprefix("var-") in known[uid]
            elif argument.endswith(":queryparam}"):
                variable = argument[2:].partition(":")[0]
                assert variable in known[uid] and variable in variables(name)


def test_from_a_run_one_gets_to_its_time_and_from_a_node_to_the_node() -> None:
    from_runs = list(data_links(board("compare")["panels"]))
    assert any("var-run=" in link and "from=" in link and "to=" in link for link in from_runs)
    for name in ("fleet", "run", "communication"):
        assert any("fedbed-node?var-node=" in link for link in data_links(board(name)["panels"]))


def test_the_gantt_and_what_stands_below_it_share_their_time_axis() -> None:
    shown = panels("run")
    (start,) = (n for n, panel in enumerate(shown) if "Gantt" in panel["title"])
    assert shown[start]["type"] == "state-timeline"
    together = shown[start : start + 6]
    assert [panel["title"] for panel in together[1:]] == [
        "Processor",
        "Memory",
        "Graphics processor",
        "Temperature",
        "Power",
    ]
    shapes = {(p["gridPos"]["x"], p["gridPos"]["w"]) for p in together}
    widths = {p["fieldConfig"]["defaults"]["custom"]["axisWidth"] for p in together}
    assert shapes == {(0, COLUMNS)} and len(widths) == 1
    assert board("run")["graphTooltip"] == 1


def test_every_state_that_the_definition_names_has_a_colour() -> None:
    known = by_name()
    assert said(known["fedbed_state"].field("state").meaning) == set(colours.NODE_STATES)
    assert said(known["fedbed_run"].field("state").meaning) == set(colours.RUN_STATES)
    phases = known["fedbed_phase"].field("phase").meaning.partition(";")[0]
    assert said(phases) == set(colours.PHASES)


def test_every_state_of_the_fleet_has_a_colour() -> None:
    from coordinator.fleet.state import NodeState

    assert {state.value for state in NodeState} == set(colours.FLEET_STATES)


def said(meaning: str) -> set[str]:
    """The words of a list such as 'a, b or c'."""
    return set(meaning.replace(" or ", ", ").split(", "))


def variables(name: str) -> set[str]:
    return {variable["name"] for variable in board(name)["templating"].get("list", [])}


def data_links(shown: list[dict[str, Any]]) -> list[str]:
    found = []
    for panel in shown:
        config = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
        found += [link["url"] for link in config["defaults"].get("links", [])]
        for override in config["overrides"]:
            for said in override["properties"]:
                if said["id"] == "links":
                    found += [link["url"] for link in said["value"]]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_all_that_asks_follows_the_choice_of_the_data_source(name: str) -> None:
    read = board(name)
    (choice,) = (v for v in read["templating"]["list"] if v["type"] == "datasource")
    assert choice["current"]["value"] == "fedbed"
    chosen = {"type": "influxdb", "uid": f"${{{choice['name']}}}"}
    for panel in panels(name):
        assert [panel["datasource"], *(target["datasource"] for target in panel["targets"])] == [
            chosen
        ] * (1 + len(panel["targets"]))
    for each in (*read["annotations"]["list"], *read["templating"]["list"]):
        assert each.get("datasource", chosen) == chosen


@pytest.mark.parametrize("name", NAMES)
def test_annotations_have_words_and_labels_among_what_they_ask_for(name: str) -> None:
    for annotation in board(name)["annotations"]["list"]:
        target = annotation["target"]
        # Grafana looks for the names anywhere in a column's, and for the label's first.
        text, label = target["textColumn"], target["tagsColumn"]
        assert target["query"].startswith(f'SELECT "{text}", "{label}" FROM')
        assert label not in target["query"].split('"')[5] and label not in text
