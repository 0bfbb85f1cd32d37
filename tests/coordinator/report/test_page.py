"""The page: right figures, well-formed, self-contained, escaped, deterministic, never raising."""

from __future__ import annotations

import copy
import json
import math
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from coordinator.report import render
from tests.coordinator.report import samples

_VOID = {"meta", "br", "link", "img", "hr", "input"}


class Reader(HTMLParser):
    """Checks that tags nest and gathers what the tests ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.values: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)
        self.handle_startendtag(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if tag == "data" and name == "value":
                self.values.append(value or "")
            if name in ("href", "src", "xlink:href", "srcset", "action"):
                self.addresses.append(value or "")
            assert not name.startswith("on")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    return reader


CASES = {
    "experiment": samples.experiment(),
    "clean": samples.experiment(lose=False),
    "app": samples.app(),
    "stopped": samples.stopped(),
    "large": samples.experiment(10, 20),
    "empty": {},
}


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: render(result) for name, result in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_is_well_formed_and_needs_nothing_else(pages: dict[str, str], name: str) -> None:
    page = pages[name]
    reader = read(page)
    assert page.startswith("<!doctype html>")
    assert "script" not in reader.tags
    assert all(address.startswith(("#", "data:")) for address in reader.addresses)
    assert "http:" not in page
    assert "https:" not in page
    assert all(found.startswith("#") for found in re.findall(r"url\(([^)]*)", page))
    assert "@import" not in page
    assert len(page.encode()) < 600_000


def test_colour_placeholders_are_all_replaced(pages: dict[str, str]) -> None:
    for page in pages.values():
        assert not re.search(r"#a1..c3", page)
        assert set(re.findall(r"var\((--[a-z]+)\)", page)) - {"--d"} <= set(
            re.findall(r"(--[a-z]+):", page)
        )


def test_figures_are_those_of_the_result(pages: dict[str, str]) -> None:
    result, values = CASES["experiment"], read(pages["experiment"]).values
    expected = [
        result["final"]["federated"],
        result["final"]["centralised"],
        result["best"]["federated"],
        result["gap"],
        result["bytes_up"],
        result["bytes_down"],
        result["wall_s"],
        result["federated_s"],
        result["twin_s"],
        result["overhead_s"]["median"],
        result["overhead_s"]["max"],
        result["started_at"],
        result["nodes"][3]["agent"]["rss_bytes"],
    ]
    for row in result["history"]:
        expected += [row["accuracy"], row["loss"], row["train_loss"], row["wall_s"]]
        expected += [row["overhead_s"], row["bytes_up"], row["bytes_down"]]
    for row in result["twin"]:
        expected += [row["accuracy"], row["loss"], row["train_loss"]]
    for node in result["nodes"]:
        expected += [*node["class_counts"], node["train_samples"]]
    assert {repr(value) for value in expected} <= set(values)


def test_the_comparison_is_said_plainly() -> None:
    result = samples.experiment(2, 2, lose=False)
    result["final"] = {"federated": 0.981, "centralised": 0.983}
    result["gap"] = 0.983 - 0.981
    text = read(render(result)).text
    assert "Centralised training ends ahead, by 0.20 points of accuracy." in text
    assert "98.10\u202f%" in text
    assert "98.30\u202f%" in text
    assert "+0.20" in text
    result["gap"] = -0.002
    assert "Federated training ends ahead, by 0.20 points of accuracy." in render(result)
    result["gap"] = 0.00001
    assert "end level in accuracy" in render(result)
    assert render(result | {"metric": "loss", "gap": 0.5}).count("Federated training ends ahead")


def test_sections_stand_in_the_order_of_the_reader_s_questions(pages: dict[str, str]) -> None:
    heads = re.findall(r"<h2>(.*?)</h2>", pages["experiment"])
    assert heads == [
        "Federated or centralised",
        "Learning, round by round",
        "Who took part",
        "Where the time goes",
        "What went over the link",
        "Hardware",
        "Who holds which data",
        "Nodes",
        "The experiment, with every default filled in",
        "What it ran on",
    ]
    assert "fedbed run experiment.yaml" in pages["experiment"]


def test_empty_sections_are_left_out(pages: dict[str, str]) -> None:
    assert "<h2>" not in pages["empty"]
    app = pages["app"]
    assert "Federated or centralised" not in app
    assert "Who holds which data" not in app
    assert "fedbed run" not in app
    assert "Flower app" in app
    assert "Eval f1" in app
    assert "83.33\u202f%" in app


def test_an_app_has_neither_our_seed_nor_a_twin() -> None:
    app = samples.app() | {"seed": 0, "twin": [], "twin_s": 0.0}
    text = " ".join(read(render(app)).text.split())
    assert "federated rounds" in text
    assert "seed" not in text
    assert "twin" not in text
    ours = " ".join(read(render(samples.experiment(2, 2) | {"seed": 0})).text.split())
    assert "seed0" in ours
    assert "centralised twin" in ours


def test_traffic_names_the_profiles_that_models_took() -> None:
    result = {**samples.experiment(), "codec": {"up": "small", "down": "bf16"}}
    page = render(result)
    assert "up from the nodes, by profile small" in page
    assert "down to the nodes, by profile bf16" in page


def test_wide_tables_say_that_they_go_on(pages: dict[str, str]) -> None:
    assert pages["experiment"].count("The table scrolls sideways.") == 2
    assert "animation-timeline: scroll(self inline)" in pages["experiment"]


def test_the_loss_of_the_test_is_called_so(pages: dict[str, str]) -> None:
    assert "<figcaption>Test loss</figcaption>" in pages["experiment"]
    assert "<figcaption>Train loss</figcaption>" in pages["experiment"]
    heads = re.findall(r'<th scope="col">(.*?)</th>', pages["experiment"])
    assert "test loss, federated" in heads
    assert "loss, federated" not in heads


def test_absences_are_told_with_their_reasons(pages: dict[str, str]) -> None:
    text = " ".join(read(pages["experiment"]).text.split())
    assert "pi-02 the node was lost" in text
    assert "pi-03 no answer within 2 min" in text
    assert "3 of 4" in text
    clean = read(pages["clean"]).text
    assert "The same 4 nodes took part in each of the 10 rounds; none was missing." in clean


def test_no_claim_of_completeness_where_fewer_came_than_were_asked() -> None:
    result = samples.experiment(3, 2, lose=False)
    result["history"][0]["asked"] = result["history"][1]["asked"] = 4
    assert "none was missing" not in render(result)


def test_a_stopped_run_says_so(pages: dict[str, str]) -> None:
    assert "The run was stopped after 1 of 10 rounds." in pages["stopped"]
    assert "Stopped by an operator." in pages["stopped"]
    assert "1 of 10" in pages["stopped"]
    none = render({"state": "failed", "rounds": 0, "rounds_planned": 3, "error": "no node came"})
    assert "The run failed after 0 of 3 rounds." in none
    assert "no node came" in none


def test_names_and_texts_are_escaped() -> None:
    evil = "<script>alert({})</script>&\"'"
    result = samples.experiment(3, 8, names=evil)
    for key in ("name", "description", "task", "dataset", "id", "error", "commit", "experiment"):
        result[key] = evil
    result["verdict"] = {"status": evil, "reasons": [evil]}
    result["classes"] = [evil] * 10
    result["versions"] = {evil: evil}
    result["history"][0]["metrics"] = {evil: 1.0}
    result["history"][1]["metrics"] = {evil: 2.0}
    result["history"][2]["missing"] = {"1": evil}
    page = render(result)
    reader = read(page)
    assert "script" not in reader.tags
    assert "<script" not in page
    assert evil.format(1) in reader.text


def test_same_result_same_page() -> None:
    result = samples.experiment()
    again = json.loads(json.dumps(result))
    assert render(result) == render(again)


def test_rendering_changes_nothing_in_the_result() -> None:
    result = samples.experiment(3, 3)
    before = copy.deepcopy(result)
    render(result)
    assert result == before


@pytest.mark.parametrize("junk", [None, "text", -1.5, [None, "x", 4], {"a": [1]}, True])
def test_any_part_may_be_odd(junk: Any) -> None:
    result = samples.experiment(2, 2)
    read(render(dict.fromkeys(result, junk)))
    for part in ("history", "twin", "nodes"):
        damaged = copy.deepcopy(result)
        damaged[part] = [dict.fromkeys(row, junk) for row in damaged[part]]
        read(render(damaged))


def test_odd_figures_and_names_do_no_harm() -> None:
    result = samples.experiment(3, 6, names="\ud800\u4e2d\x00\n{}")
    rows = result["history"]
    rows[0]["loss"], rows[1]["loss"], rows[2]["loss"] = math.nan, math.inf, 1e308
    rows[3]["loss"], rows[4]["wall_s"] = 10**400, -(10**400)
    rows[5]["accuracy"] = True
    result["experiment"] = "name: \ud800"
    result["started_at"] = 1e18
    render(result).encode()


def test_a_hundred_nodes_stay_readable() -> None:
    page = render(samples.experiment(100, 3))
    read(page)
    assert "The 24 slowest of 100 nodes." in page
    # Who took part is drawn of all of them.
    assert "The first" not in page


def test_matplotlib_settings_of_the_process_are_kept() -> None:
    import matplotlib

    matplotlib.rcParams["font.size"] = 31
    try:
        render(samples.experiment(2, 2))
        assert matplotlib.rcParams["font.size"] == 31
    finally:
        matplotlib.rcdefaults()
