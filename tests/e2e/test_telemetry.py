"""From probes to the database, all parts real but Telegraf; and what an outage costs: nothing.

FEDBED_OUTAGE_S sets how long broker and database are away: 300 is what docs/monitoring.md tells of.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from fedbed.client import Client
from fedbed.telemetry.definition import FLOAT, by_name, faults
from fedbed.testbed import LocalTestbed
from tests.broker import PASSWORD, Broker, broker, until
from tests.e2e.bench import await_training, result_of, submit
from tests.influx import BUCKET, ORG, TOKEN, Influx, influx
from tests.telegraf import telegraf

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]
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


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with ExitStack() as stack:
        database = stack.enter_context(influx(tmp_path_factory.mktemp("influx")))
        made = stack.enter_context(broker(tmp_path_factory.mktemp("broker")))
        made.add_users(NODES)
        made.stop()
        made.start()
        env = {
            "FEDBED_BROKER": made.url,
            "FEDBED_BROKER_PASSWORD": PASSWORD,
            "FEDBED_INFLUX_URL": database.url,
            "FEDBED_INFLUX_ORG": ORG,
            "FEDBED_INFLUX_BUCKET": BUCKET,
            "FEDBED_INFLUX_TOKEN": TOKEN,
        }
        stack.enter_context(telegraf(made, database))
        bed = stack.enter_context(LocalTestbed(nodes=5, env=env))
        yield Lab(stack.enter_context(bed.client()), made, database)


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
    for node in NODES:
        samples = f"SELECT usage FROM fedbed_cpu WHERE node = '{node}' AND time > {began}"
        until(lambda q=samples: lab.stamps(q)[-1:] > [ended], node, 60)  # type: ignore[misc]
        dropped = lab.influx.query(f"SELECT MAX(dropped) FROM fedbed_agent WHERE node = '{node}'")
        assert dropped[0]["max"] == 0
        # One a second: on a busy machine one may be late, and none may be missing.
        stamps = lab.stamps(samples)
        wanted = (stamps[-1] - stamps[0]) / SECOND
        assert len(stamps) >= 0.9 * wanted
        longest = max(b - a for a, b in zip(stamps, stamps[1:], strict=False))
        assert longest < min(OUTAGE_S, 6) * SECOND


def _as_written(measurement: str, field: str, value: object) -> object:
    """Return a value with the type that it was written with: JSON knows one kind of number."""
    is_float = by_name()[measurement].field(field).type == FLOAT
    return float(value) if is_float and isinstance(value, int) else value
