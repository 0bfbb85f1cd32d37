"""The heat map of who took part, and whom each round asked."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from coordinator.report import participation, render
from coordinator.runs.window import TOO_LATE


def result(nodes: int, rounds: int, share: int = 10) -> dict[str, Any]:
    """A run whose rounds ask one of `share` nodes; of those asked the last is late."""
    history = []
    for number in range(1, rounds + 1):
        asked = [p for p in range(nodes) if (p + number) % share == 0]
        there = [{"partition": p, "name": f"pi-{p:03}"} for p in asked[:-1]]
        history.append(
            {
                "round": number,
                "nodes": there,
                "missing": {str(p): TOO_LATE for p in asked[-1:]},
                "asked": len(asked),
                "participants": len(there),
                "selection": {"because": [["fastest tier", asked]], "note": {}},
            }
        )
    known = [{"partition": p, "name": f"pi-{p:03}"} for p in range(nodes)]
    return {"history": history, "nodes": known}


def test_cells_tell_who_was_there_late_or_missing() -> None:
    run = result(20, 2)
    run["history"][0]["missing"]["3"] = "the node was lost"
    found = {(cell.round, cell.place): cell.state for cell in participation.cells(run)}
    assert found == {
        (1, 9): "there", (1, 19): "late", (1, 3): "missing", (2, 8): "there", (2, 18): "late",
    }  # fmt: skip


@pytest.mark.parametrize("nodes", [8, 100, 400])
def test_it_stays_readable_and_small_for_many_nodes(nodes: int) -> None:
    drawn = participation.draw(result(nodes, 60, share=4))
    assert drawn is not None
    assert len(drawn.svg) < 250_000
    height = float(re.findall(r'viewBox="0 0 480 ([0-9.]+)"', drawn.svg)[0])
    assert height < 800
    assert drawn.note == ("The first 100 of 400 nodes." if nodes == 400 else "")
    assert ("pi-001" in drawn.svg) == (nodes == 8)
    late = {"var(--upload)"} if nodes < 400 else set()  # the late ones are the last
    assert {"var(--federated)"} | late <= set(re.findall(r"var\(--[a-z]+\)", drawn.svg))


def test_reasons_name_few_and_count_many() -> None:
    assert participation.reasons(result(100, 1)) == [("1", "10 nodes (fastest tier)")]
    few = participation.reasons(result(20, 2))
    assert few == [("1", "pi-009, pi-019 (fastest tier)"), ("2", "pi-008, pi-018 (fastest tier)")]
    assert participation.reasons({"history": [{"round": 1}]}) == []


def test_the_page_has_all_of_it() -> None:
    page = render(result(20, 3))
    assert "Whom each round asked, and why" in page
    assert "pi-009, pi-019 (fastest tier)" in page
    assert '<i class="s-upload"></i>too late' in page
    assert "blank: not asked" in page
    other = render({"history": [{"round": 1, "nodes": [{"partition": 0}], "missing": {}}]})
    assert "Whom each round asked" not in other
    assert "too late" not in other


@pytest.mark.parametrize("odd", [3, "x", [], [[1]], [["why", "x"]], [["a", [{}, None]]], {}])
def test_odd_selections_do_no_harm(odd: Any) -> None:
    run = result(4, 2, share=2)
    run["history"][0]["selection"] = {"because": odd}
    run["history"][1]["selection"] = odd
    assert Counter(cell.state for cell in participation.cells(run)) == {"there": 2, "late": 2}
    render(run)
