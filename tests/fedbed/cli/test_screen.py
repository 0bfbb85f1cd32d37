from __future__ import annotations

import io
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from fedbed.cli.screen import bar, frame
from tests.fedbed.cli import pictures


def drawn(run: dict[str, Any], picture: dict[str, Any], width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(frame(run, picture, width, height))
    return captured.get().splitlines()


def test_everything_is_on_it() -> None:
    text = "\n".join(drawn(pictures.run(), pictures.picture(), 80, 24))
    for wanted in (
        "demo · mnist · seed 1",
        "12 s, about 8 s left",
        "round 3 of 10",
        "20 %",
        "95.00 %",
        "best 95.00 %",
        "▁█",
        "node-1",
        "training",
        "1.2 s",
        "waiting     round 3: 1 of 4 in; waiting for node-2",
        "1.0 MB up, 2.0 MB down",
        "latest      run r1 begins with 2 nodes",
    ):
        assert wanted in text
    assert "other" not in text
    assert "centralised" not in text


def test_the_twin_shows_once_it_trains() -> None:
    run = pictures.run(phase="twin", twin=[pictures.row(1, 0.97)])
    text = "\n".join(drawn(run, pictures.picture(), 80, 24))
    assert "centralised twin, round 2 of 10" in text
    assert "97.00 %" in text


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("height", [4, 10, 23, 60])
@pytest.mark.parametrize("nodes", [0, 2, 100])
def test_it_fits_any_window(width: int, height: int, nodes: int) -> None:
    everyone = [pictures.node(f"a-long-name-{i}", "training", 0.3) for i in range(nodes)]
    run = pictures.run(roster=[], wait="round 3: waiting for " + "x" * 300)
    twin = pictures.run(roster=[], phase="twin", twin=[pictures.row(1, 0.97)])
    for one in (run, twin, {"id": "r1"}):
        lines = drawn(one, pictures.picture(nodes=everyone), width, height)
        assert all(cell_len(line) <= width for line in lines)
        if height >= 23:
            assert len(lines) <= height


def test_too_many_nodes_show_the_busy_ones_and_count_the_rest() -> None:
    everyone = [pictures.node(f"node-{i:02}") for i in range(50)]
    everyone[40] = pictures.node("node-40", "training", 0.5)
    lines = drawn(pictures.run(roster=[]), pictures.picture(nodes=everyone), 80, 23)
    text = "\n".join(lines)
    assert "node-40" in text
    assert "more: " in text
    assert " ready" in text


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0, "────"), (0.5, "━━──"), (1.0, "━━━━"), (7.0, "━━━━"), (-1.0, "────"), (0.13, "╸───")],
)
def test_bar_can_be_read_without_colours(share: float, shown: str) -> None:
    assert bar(share, 4, "blue").plain == shown


def test_an_unanswering_coordinator_is_told() -> None:
    text = "\n".join(drawn(pictures.run(), pictures.picture(away="nobody answers"), 80, 24))
    assert "away        nobody answers" in text
