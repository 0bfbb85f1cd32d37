"""The page for Prometheus, as its own parser reads it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from coordinator.telemetry.metrics import Figures, render

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(page: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_every_figure_is_there_and_has_a_meaning() -> None:
    figures = Figures(
        nodes={"ready": 2, "offline": 0},
        runs={"finished": 3},
        offences={'pi "1"\n': 4},
        queue=5,
        rounds=6,
        bytes_up=7,
        bytes_down=8,
        points_waiting=9,
        points_dropped=10,
    )
    page = render(figures).decode()
    found = samples(page)
    assert found["fedbed_nodes", (("state", "ready"),)] == 2
    assert found["fedbed_nodes", (("state", "offline"),)] == 0
    assert found["fedbed_runs", (("state", "finished"),)] == 3
    assert found["fedbed_node_offences", (("node", 'pi "1"\n'),)] == 4
    assert found["fedbed_queue", ()] == 5
    assert found["fedbed_rounds_total", ()] == 6
    assert found["fedbed_traffic_bytes_total", (("way", "up"),)] == 7
    assert found["fedbed_traffic_bytes_total", (("way", "down"),)] == 8
    assert found["fedbed_points_waiting", ()] == 9
    assert found["fedbed_points_dropped_total", ()] == 10
    assert found["process_resident_memory_bytes", ()] > 1_000_000
    assert found["process_cpu_seconds_total", ()] > 0
    families = list(text_string_to_metric_families(page))
    assert all(family.documentation for family in families)
    assert len({family.name for family in families}) == len(families)


def test_without_a_database_nothing_is_said_of_points() -> None:
    page = render(Figures({}, {}, {}, 0, 0, 0, 0)).decode()
    assert "points" not in page
    assert render(Figures({}, {}, {}, 0, 0, 0, 0)), "each page has a registry of its own"
