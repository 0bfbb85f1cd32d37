"""From probes to the database, all parts real but Telegraf; and what an outage costs: nothing.

FEDBED_OUTAGE_S sets how long broker and database are away: 300 is what docs/monitoring.md tells of.
What it tells of is logged: --log-cli-level=info shows it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from fedbed.client import Client
from fedbed.telemetry.definition import FLOAT, by_name, faults
from fedbed.testbed import LocalTestbed
from tests.broker import Broker, until
from tests.e2e.bench import await_training, result_of, state_of, submit
from tests.influx import Influx
from tests.telegraf import FLUSH_S, way

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]
log = logging.getLogger(__name__)
NODES = tuple(f"node-{number}" for number in range(1, 6))
OUTAGE_S = float(os.environ.get("FEDBED_OUTAGE_S", "8"))
SECOND = 10**9
RUN = [
    "federation.nodes=5",
    "federation.rounds=6",
    "data.train_samples=4000",
    "federation.local_epochs=2",
    "federation.deadline=1h",
]
SLOWLY = ["stragglers.nodes=5", f"stragglers.factor={max(20.0, 2 * OUTAGE_S):g}"]
"""So that the run lasts for longer than the outage, without computing more."""


@dataclass
class Lab:
    """A coordinator, five agents, and where their measurements go."""

    client: Client
    broker: Broker
    influx: Influx

    def stamps(self, what: str) -> list[int]:
        """Return the times of a query's rows, in order, in nanoseconds."""
        return sorted(int(row["time"]) for row in self.influx.query(what))

    def samples(self, node: str, since_ns: int) -> list[int]:
        """Return the times of a node's samples from then on, in order, in nanoseconds."""
        chosen = f"node = '{node}' AND time > {since_ns}"
        return self.stamps(f"SELECT usage FROM fedbed_cpu WHERE {chosen}")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with way(tmp_path_factory.mktemp("way"), NODES) as found, LocalTestbed(
        nodes=len(NODES), env=found.env
    ) as bed, bed.client() as client:
        yield Lab(client, found.broker, found.influx)


def test_what_nodes_measure_is_in_the_database_as_defined(lab: Lab) -> None:
    for node in NODES:
        query = f"SELECT usage FROM fedbed_cpu WHERE node = '{node}'"
        until(lambda query=query: len(lab.stamps(query)) >= 3, node)  # type: ignore[misc]
    found = {row["name"] for row in lab.influx.query("SHOW MEASUREMENTS")}
    assert {"fedbed_cpu", "fedbed_memory", "fedbed_disk", "fedbed_network", "fedbed_agent"} <= found
    for measurement in sorted(found):
        tags = {row["tagKey"] for row in lab.influx.query(f"SHOW TAG KEYS FROM {measurement}")}
        for row in lab.influx.query(f"SELECT * FROM {measurement} LIMIT 5"):
            fields = {k: v for k, v in row.items() if k not in tags and k != "time"}
            known = {k: _as_written(measurement, k, v) for k, v in fields.items() if v is not None}
            assert not faults(measurement, dict.fromkeys(tags, ""), known)


def test_an_outage_of_broker_and_database_costs_neither_model_nor_samples(
    lab: Lab, tmp_path: Path
) -> None:
    undisturbed = result_of(lab.client, submit(lab.client, *RUN), tmp_path)
    began = time.time_ns()
    run = submit(lab.client, *RUN, *SLOWLY)
    await_training(lab.client, run, 1)
    lab.influx.stop()
    lab.broker.stop()
    away_since = time.time_ns()
    try:
        time.sleep(OUTAGE_S)
    finally:
        back_at = time.time_ns()
        lab.influx.start()
        lab.broker.start()
    for node in NODES:
        until(lambda n=node: lab.samples(n, began)[-1:] > [back_at], node, 60)  # type: ignore[misc]
    caught_up_s = (time.time_ns() - back_at) / SECOND
    until(lambda: lab.client.run(run)["state"] == "finished", "its end", 1000)
    disturbed = result_of(lab.client, run, tmp_path)
    assert disturbed["model_sha256"] == undisturbed["model_sha256"]

    ended = time.time_ns()
    rounds = f"SELECT round FROM fedbed_round WHERE run = '{run}'"
    until(lambda: len(lab.stamps(rounds)) == 6, "its rounds", 60)
    parts = f"SELECT round FROM fedbed_exchange WHERE run = '{run}' AND kind = 'train'"
    until(lambda: len(lab.stamps(parts)) == 30, "its parts of rounds", 60)
    assert away_since < lab.stamps(rounds)[0]
    assert lab.stamps(parts)[0] < back_at
    found: list[tuple[int, float, float]] = []
    for node in NODES:
        until(lambda n=node: lab.samples(n, began)[-1:] > [ended], node, 60)  # type: ignore[misc]
        dropped = lab.influx.query(f"SELECT MAX(dropped) FROM fedbed_agent WHERE node = '{node}'")
        assert dropped[0]["max"] == 0
        # One a second: on a busy machine one may be late, and none may be missing.
        stamps = lab.samples(node, began)
        wanted = (stamps[-1] - stamps[0]) / SECOND
        assert len(stamps) >= 0.9 * wanted
        longest = max(b - a for a, b in zip(stamps, stamps[1:], strict=False))
        assert longest < min(OUTAGE_S, 6) * SECOND
        found.append((len(stamps), wanted, longest / SECOND))
    log.info(
        "away %.0f s of a run of %.0f s; caught up after %.1f s; samples: %s; longest gap %.1f s",
        (back_at - away_since) / SECOND,
        (ended - began) / SECOND,
        caught_up_s,
        ", ".join(f"{count} in {span:.0f} s" for count, span, _ in found),
        max(gap for _, _, gap in found),
    )


def test_a_sample_can_be_asked_for_within_five_seconds(lab: Lab) -> None:
    known = dict.fromkeys(NODES, time.time_ns())
    ages: list[float] = []

    def look() -> bool:
        for node in NODES:
            fresh = lab.samples(node, known[node])
            ages.extend((time.time_ns() - stamp) / SECOND for stamp in fresh)
            known[node] = max([known[node], *fresh])
        return len(ages) >= 10 * len(NODES)

    until(look, "samples", 60)
    log.info("age of %d samples: median %.2f s, worst %.2f s", len(ages), median(ages), max(ages))
    assert median(ages) < 5 - FLUSH_S


def test_a_change_of_state_is_on_the_page_and_in_the_database_within_a_second(lab: Lab) -> None:
    """Of several the quickest counts, for load makes all of this longer."""
    took: dict[str, list[float]] = {"page": [], "database": [], "database, by the node": []}
    for number in range(8):
        rest = number % 2 == 0
        state, own = ("drained", "draining") if rest else ("ready", "idle")
        version, began, since = lab.client.live()["version"], time.monotonic(), time.time_ns()
        lab.client.drain("node-1", drained=rest)
        # As the page does: it waits for a picture that is newer than its own.
        while state_of(picture := lab.client.live(version, 2.0), "node-1") != state:
            version = picture["version"]
        took["page"].append(time.monotonic() - began)
        for kind, table, said in (
            ("database", "fedbed_node", state),
            ("database, by the node", "fedbed_state", own),
        ):
            query = f"SELECT state FROM {table} WHERE node = 'node-1' AND time > {since}"
            where = f"{query} AND state = '{said}'"
            until(lambda q=where: lab.stamps(q), said)  # type: ignore[misc]
            took[kind].append(time.monotonic() - began)
    for kind, seconds in took.items():
        log.info("%s: median %.2f s, worst %.2f s", kind, median(seconds), max(seconds))
    assert min(took["page"]) < 1
    assert min(took["database"]) < 1
    assert min(took["database, by the node"]) < 1 - FLUSH_S


def _as_written(measurement: str, field: str, value: object) -> object:
    """Return a value with the type that it was written with: JSON knows one kind of number."""
    is_float = by_name()[measurement].field(field).type == FLOAT
    return float(value) if is_float and isinstance(value, int) else value
