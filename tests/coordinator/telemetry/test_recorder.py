"""A real run into a real database, which is away for a part of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from coordinator.settings import INFLUX_TOKEN
from fedbed.telemetry import definition
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import result_of, run_in, submit, wait_for
from tests.influx import TOKEN, Influx, influx

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
LIMIT_S = 60.0
SETTINGS = [
    "data.train_samples=4000",
    "federation.local_epochs=6",
    "federation.batch_size=8",
    "federation.rounds=4",
    "federation.evaluate=both",
]
"""Rounds of a second or so: time to take the database away."""
TYPES = {
    definition.FLOAT: "float",
    definition.INTEGER: "integer",
    definition.BOOLEAN: "boolean",
    definition.STRING: "string",
}


def probed(begin_ns: int, end_ns: int) -> list[str]:
    """What the probes of one of the nodes would have written at three times, evenly from begin."""
    tags = "fedbed_power,node=node-1,rail"
    return [
        line
        for number in range(3)
        for at in (begin_ns + number * (end_ns - begin_ns) // 3,)
        for line in (
            f"fedbed_cpu,node=node-1 usage=62.5 {at}",
            f"fedbed_temperature,node=node-1,sensor=cpu value=55.5 {at}",
            f"{tags}=plug,method=measured energy={100 + 5 * number} {at}",
            f"{tags}=package-0,method=modelled energy={2 * number} {at}",
        )
    ]


@dataclass
class Seen:
    """A run that has ended, in the database and as it was told to people."""

    database: Influx
    run: str
    result: dict[str, Any]
    events: list[str]
    page: str
    """The report."""
    without: dict[str, Any]
    """The result of another run, at whose end there was no database."""
    log: str
    """The coordinator's, up to then."""

    def rows(self, measurement: str, where: str = "") -> list[dict[str, Any]]:
        condition = f"run = '{self.run}'" + (f" AND {where}" if where else "")
        return self.database.query(f"SELECT * FROM {measurement} WHERE {condition}")


def until(condition: Callable[[], Any], what: str) -> Any:
    limit = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < limit, what
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("recorder")
    with influx(folder / "influx") as database:
        pass
    env = {"FEDBED_INFLUX_URL": database.url, INFLUX_TOKEN: TOKEN}
    with ExitStack() as up, LocalTestbed(2, folder / "bed", env=env) as bed, bed.client() as client:
        up.enter_context(database.running())
        run = submit(client, *SETTINGS, twin=True)

        def rounds(count: int) -> None:
            wait_for(
                client,
                lambda picture: len(run_in(picture, run)["history"]) >= count,
                f"{count} rounds",
            )

        rounds(1)
        begin = time.time_ns()
        children = psutil.Process(bed.process("coordinator").pid).children()
        assert children
        assert all(INFLUX_TOKEN not in child.environ() for child in children)
        up.close()
        rounds(3)
        end = time.time_ns()

        def said() -> list[str]:
            return [event["text"] for event in client.live()["events"]]

        until(lambda: any("can't be reached" in text for text in said()), "nobody was told")
        up.enter_context(database.running())
        database.write("\n".join(probed(begin, end)))
        result = result_of(client, run, folder / "runs")
        where = f"run = '{run}' AND state = 'finished'"
        until(lambda: database.query(f"SELECT round FROM fedbed_run WHERE {where}"), "no end")
        until(lambda: any("takes points again" in text for text in said()), "nobody was told")
        page = (folder / "runs" / run / "report.html").read_text()
        events = said()
        up.close()
        later = submit(client, "federation.rounds=1")
        without = result_of(client, later, folder / "runs")
        up.enter_context(database.running())
        log = bed.process("coordinator").log.read_text()
        yield Seen(database, run, result, events, page, without, log)


def test_no_round_is_missing_and_their_figures_are_those_of_the_result(seen: Seen) -> None:
    rows = seen.rows("fedbed_round")
    history = seen.result["history"]
    assert [row["round"] for row in rows] == [1, 2, 3, 4]
    for row, entry in zip(rows, history, strict=True):
        assert row["metric"] == entry["accuracy"]
        assert row["loss"] == entry["loss"]
        assert row["bytes_up"] == entry["bytes_up"]
        assert row["duration"] == entry["wall_s"]
        assert row["compression"] == pytest.approx(
            2 * 4 * (28 * 28 * 10 + 10) / sum(node["bytes_up"] for node in entry["nodes"])
        )
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    twin = seen.rows("fedbed_twin")
    assert [row["metric"] for row in twin] == [e["accuracy"] for e in seen.result["twin"]]


def test_no_part_of_a_round_is_missing_and_the_gantt_fits(seen: Seen) -> None:
    for entry in seen.result["history"]:
        number = entry["round"]
        parts = seen.rows("fedbed_exchange", f"round = {number} AND kind = 'train'")
        assert sorted(row["node"] for row in parts) == ["node-1", "node-2"]
        assert {row["partition"]: row["work"] for row in parts} == {
            node["partition"]: node["timeline"]["work_s"] for node in entry["nodes"]
        }
        tests = seen.rows("fedbed_exchange", f"round = {number} AND kind = 'evaluate'")
        assert sorted(row["node"] for row in tests) == ["node-1", "node-2"]
    for node in ("node-1", "node-2"):
        spans = seen.rows("fedbed_phase", f"node = '{node}'")
        assert sum(span["phase"] == "train" for span in spans) == 4
        assert sum(span["phase"] == "test" for span in spans) == 4
        arrivals = {row["time"] for row in seen.rows("fedbed_exchange", f"node = '{node}'")}
        idle = {span["time"] for span in spans if span["phase"] == "idle"}
        assert idle <= arrivals
        assert spans[-1]["phase"] == "idle"
        begun = [span["time"] for span in spans if span["phase"] == "train" and span["round"] == 2]
        ended = seen.rows("fedbed_exchange", f"node = '{node}' AND round = 2 AND kind = 'train'")
        assert 0 < (ended[0]["time"] - begun[0]) / 1e9 < 60


def test_states_and_events_are_there_from_the_beginning_to_the_end(seen: Seen) -> None:
    states = [row["state"] for row in seen.rows("fedbed_run")]
    assert states[-1] == "finished"
    assert "running" in states
    (facts,) = seen.rows("fedbed_run", "state = 'finished'")
    told = {key: facts[key] for key in ("name", "task", "dataset", "strategy", "round", "rounds")}
    assert told == {
        "name": "quick",
        "task": "mnist_softmax",
        "dataset": "synthetic-digits",
        "strategy": "FedAvg",
        "round": 4,
        "rounds": 4,
    }
    nodes = seen.database.query("SELECT * FROM fedbed_node WHERE node = 'node-1'")
    assert {"ready", "training"} <= {row["state"] for row in nodes}
    assert any(row["run"] == seen.run and row["training"] for row in nodes)
    events = seen.database.query("SELECT * FROM fedbed_event")
    assert set(seen.events) <= {row["text"] for row in events}
    kinds = {row["text"]: row["kind"] for row in events}
    assert kinds["node-1 joined"] == "node"
    assert kinds[f"run {seen.run} finished"] == "run"
    # The reason may differ from time to time.
    assert {kind for text, kind in kinds.items() if "can't be reached" in text} == {"fault"}


def test_the_coordinators_cost_is_written_and_nothing_was_dropped(seen: Seen) -> None:
    # Written every ten seconds: on a quick machine the runs are over before the second time.
    where = "WHERE nodes_online = 2"
    until(lambda: seen.database.query(f"SELECT cpu FROM fedbed_coordinator {where}"), "no cost")
    rows = seen.database.query("SELECT * FROM fedbed_coordinator")
    assert all(row["memory"] > 10_000_000 and row["dropped"] == 0 for row in rows)


def test_the_report_has_what_the_hardware_has_spent(seen: Seen) -> None:
    first, second = seen.result["hardware"]["nodes"]
    assert (first["name"], second["name"]) == ("node-1", "node-2")
    assert (first["cpu"], first["temperature"], first["samples"]) == (62.5, 55.5, 3)
    assert {method: found["joules"] for method, found in first["energy"].items()} == {
        "measured": 10.0,
        "modelled": 4.0,
    }
    assert not {"cpu", "energy", "temperature"} & set(second)
    assert seen.result["hardware"]["without_samples"] == ""
    for node in (first, second):
        assert node["cpu_s"] > 0.05
        assert node["peak_memory_bytes"] > 20_000_000
    # Tests on the nodes count as well, so nothing is missing of what went over the link.
    for way in ("bytes_up", "bytes_down"):
        assert sum(node[way] for node in (first, second)) == seen.result[way]
    assert "energy, measured" in seen.page
    assert "Cost of monitoring: " in seen.page
    assert "The database has no samples of node-2" in seen.page


def test_a_run_without_a_database_at_its_end_says_why_it_has_no_samples(seen: Seen) -> None:
    assert seen.without["state"] == "finished"
    assert "can't be asked" in seen.without["hardware"]["without_samples"]
    assert all(node["cpu_s"] > 0 for node in seen.without["hardware"]["nodes"])


def test_the_log_tells_of_the_database_in_few_lines_and_never_the_token(seen: Seen) -> None:
    said = [line for line in seen.log.splitlines() if "influx" in line.lower()]
    # It comes and goes twice at most, and at the first start it wasn't there yet.
    assert 2 <= len(said) <= 6, said
    assert TOKEN not in seen.log
    assert not [line for line in seen.log.splitlines() if "HTTP" in line]


def test_the_database_has_the_types_of_the_definition(seen: Seen) -> None:
    for measurement in definition.MEASUREMENTS:
        if measurement.source != definition.COORDINATOR:
            continue
        rows = seen.database.query(f"SHOW FIELD KEYS FROM {measurement.name}")
        assert {row["fieldKey"]: row["fieldType"] for row in rows} == {
            field.name: TYPES[field.type] for field in measurement.fields
        }
