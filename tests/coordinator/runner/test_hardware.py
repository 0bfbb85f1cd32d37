"""What a run has cost its nodes: from timelines, and from samples where there are some."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.runner import hardware


def row(name: str, host: str = "", **timeline: Any) -> dict[str, Any]:
    named = {"name": name, "host": host} if host else {"name": name}
    return {**named, "bytes_up": 10, "timeline": {"bytes_down": 100, **timeline}}


HISTORY = [
    {
        "nodes": [row("a", cpu_s=1.5, peak_rss_bytes=50), row("b", cpu_s=2.0)],
        "tests": [row("a", cpu_s=0.25, peak_rss_bytes=70)],
    },
    {"nodes": [row("a", cpu_s=1.0, peak_rss_bytes=60)], "tests": [{"name": "a", "metrics": {}}]},
    {},
]


def test_timelines_are_summed_tests_included() -> None:
    found = hardware.section(HISTORY, ["a", "b", "c"], None)
    assert found["without_samples"] == hardware.NOT_CONFIGURED
    assert found["nodes"] == [
        {
            "name": "a",
            "cpu_s": 2.75,
            "peak_memory_bytes": 70,
            "bytes_up": 30,
            "bytes_down": 300,
        },
        {"name": "b", "cpu_s": 2.0, "peak_memory_bytes": 0, "bytes_up": 10, "bytes_down": 100},
        {"name": "c", "cpu_s": 0, "peak_memory_bytes": 0, "bytes_up": 0, "bytes_down": 0},
    ]


def test_virtual_nodes_count_for_the_node_that_plays_them() -> None:
    history = [{"nodes": [row("a/0", "a", cpu_s=1.0), row("a/2", "a", cpu_s=2.0)]}]
    found = hardware.section(history, ["a", "a", "b"], None)["nodes"]
    assert [(node["name"], node["cpu_s"]) for node in found] == [("a", 3.0), ("b", 0)]


def test_samples_are_of_the_runs_own_nodes_and_methods_stay_apart() -> None:
    energy = {"measured": {"plug": 30.0, "VDD_IN": 20.0}, "modelled": {"package-0": 12.0}}
    probed = {"cpu": 40.0, "samples": 9, "temperature": 61.0, "energy": energy, "more": 1}
    found = hardware.section(
        HISTORY, ["a", "b"], {"event": "samples", "nodes": {"a": probed, "z": probed}, "error": ""}
    )
    assert found["without_samples"] == ""
    a, b = found["nodes"]
    assert {key: a[key] for key in ("cpu", "samples", "temperature")} == {
        "cpu": 40.0,
        "samples": 9,
        "temperature": 61.0,
    }
    assert a["energy"] == {
        "measured": {"joules": 30.0, "of": ["plug"], "rails": energy["measured"]},
        "modelled": {"joules": 12.0, "of": ["package-0"], "rails": energy["modelled"]},
    }
    assert "more" not in a
    assert "energy" not in b
    assert "cpu" not in b


def test_why_there_are_no_samples_is_kept() -> None:
    assert hardware.section([], [], {"error": "it is away"}) == {
        "nodes": [],
        "without_samples": "it is away",
    }


@pytest.mark.parametrize(
    ("rails", "joules", "of"),
    [
        ({"plug": 9.0, "VDD_IN": 8.0, "package-0": 3.0}, 9.0, ["plug"]),
        ({"VDD_IN": 8.0, "VDD_CPU": 3.0}, 8.0, ["VDD_IN"]),
        ({"package-0": 3.0, "package-1": 4.0, "core": 2.0, "gpu-0": 10.0}, 17.0, None),
        ({"unheard-of": 5.0}, 5.0, ["unheard-of"]),
        ({"one": 5.0, "another": 6.0}, None, []),
        ({}, None, []),
    ],
)
def test_rails_that_overlap_are_not_added_up(
    rails: dict[str, float], joules: float | None, of: list[str] | None
) -> None:
    expected = ["gpu-0", "package-0", "package-1"] if of is None else of
    assert hardware.whole(rails) == {"joules": joules, "of": expected}
