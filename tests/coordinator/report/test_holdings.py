from __future__ import annotations

from typing import Any

from coordinator.report import holdings, render
from tests.coordinator.report import samples


def result(nodes: int, unit: str = "samples") -> dict[str, Any]:
    return {
        "nodes": [
            {
                "partition": p,
                "name": f"n-{p}",
                "class_counts": [10 + p, 30],
                "train_samples": 40 + p,
            }
            for p in range(nodes)
        ],
        "classes": ["sky", "cloud"],
        "partition": {
            "hash": "ab",
            "unit": unit,
            "heterogeneity": 0.25,
            "train_sizes": [40 + p for p in range(nodes)],
            "groups": [2 + p for p in range(nodes)],
        },
    }


def test_few_nodes_are_a_table_of_counts() -> None:
    found = holdings.build(result(3))
    assert found is not None
    assert found.drawn is None
    name, cells, total = found.lines[2]
    assert (name, [c.count.value for c in cells], total and total.value) == (
        "n-2",
        ["12", "30"],
        "42",
    )
    assert cells[1].depth == 1.0
    facts = dict(found.facts)
    assert facts["groups a node"] == "2 to 4"
    assert facts["least and most"] == "40 and 42"
    assert "25 % of the samples would have to be of another class" in found.meaning


def test_many_nodes_are_drawn_and_their_table_is_folded() -> None:
    page = render({**samples.experiment(2, 2), **result(100)})
    section = page[page.index("Who holds which data") :]
    assert section.index("<svg") < section.index("<details>") < section.index("n-99</th>")
    assert "Share of each class and number of samples at each of 100 nodes" in section


def test_pixels_are_shown_as_shares_of_their_node() -> None:
    found = holdings.build(result(2, "pixels"))
    assert found is not None
    assert [cell.count.text for cell in found.lines[0][1]] == ["25.0\u202f%", "75.0\u202f%"]
    assert "25 % of the pixels" in found.meaning


def test_virtual_nodes_and_targets_stand_in_the_head_and_agents_below() -> None:
    whole = {**samples.experiment(2, 2), **result(4)}
    for row in whole["nodes"]:
        row["host"] = f"agent-{row['partition'] % 2}"
    said = "4 virtual nodes on 2 agents"
    whole["virtual"] = {"nodes": 4, "agents": 2, "text": said}
    whole["verdict"] = {"status": "clean", "reasons": [], "note": said}
    whole["target"] = {"value": 0.9, "round": 2, "stops": True, "text": "reached in round 2"}
    whole["rounds_planned"] = 50
    page = render(whole)
    assert page.count(said) == 2
    assert "reached in round 2" in page
    assert "The run ended after" not in page
    nodes = page[page.index("<h2>Nodes</h2>") :]
    assert nodes.count("agent-0") == nodes.count("agent-1") == 1
    assert "plays" in nodes


def test_nothing_is_said_of_what_nobody_knows() -> None:
    assert holdings.build({"nodes": [{"partition": 0, "name": "x"}]}) is None
    assert holdings.build({}) is None
