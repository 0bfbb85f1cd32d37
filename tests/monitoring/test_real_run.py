"""A real run's points, and its real nodes': no panel is empty that should have data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from fedbed.telemetry.definition import BROKER, COORDINATOR, by_name
from fedbed.telemetry.topics import SAMPLES, topic
from fedbed.testbed import LocalTestbed
from tests.broker import until
from tests.e2e.bench import LONG_ROUNDS, result_of, submit
from tests.monitoring.alerting import RULES, fires
from tests.monitoring.asking import ALL, NAMES, asked
from tests.monitoring.conftest import Lab
from tests.telegraf import way

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
NODES = ("node-1", "node-2")
OF_NODES = ("cpu", "memory", "disk", "network", "agent", "worker", "state")
EVERYWHERE = {f"fedbed_{what}" for what in OF_NODES}
"""What every node tells; sensors and graphics processors not all have."""
QUIET = ("Training, A", "Offline, A", "annotation Faults", "Clock rate, A")
"""When all is over nobody trains, nobody was lost, and not every machine tells its clock."""
BY_CHANCE = ("fedbed-disk-full", "fedbed-memory-full", "fedbed-node-hot", "fedbed-nobody-trains")
"""What may be so where the tests run, and what becomes an alert only when it lasts."""


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, list[str]]]:
    """The database after two runs, and their ids; samples came by the broker.

    Somebody sent 10 MB at once as well.
    """
    folder = tmp_path_factory.mktemp("real")
    with way(folder, NODES) as found, LocalTestbed(
        nodes=len(NODES), state_dir=folder / "bed", env=found.env
    ) as bed, bed.client() as client:
        begun = time.time_ns()
        both = "federation.evaluate=both"
        runs = [
            submit(client, both, seed=1, twin=True),
            # A process's share of a core is known from its second sample on, a second later.
            submit(client, both, *LONG_ROUNDS, "federation.rounds=5", seed=2, twin=True),
        ]
        for run in runs:
            result_of(client, run, folder / "runs")
        with found.broker.client(NODES[0]) as loud:
            loud.send(topic(NODES[0], SAMPLES), b"x" * 10_000_000)
            until(lambda: loud.has_ended, "the end of its connection")
        # Rates are taken between means of ten seconds: there must be two, on a quick machine too.
        ended = max(time.time_ns(), begun + 11 * 10**9)
        for node in NODES:
            samples = f"SELECT usage FROM fedbed_cpu WHERE node = '{node}' AND time > {ended}"
            until(lambda q=samples: found.influx.query(q), node)  # type: ignore[misc]
        refused = "SELECT text FROM fedbed_broker WHERE text =~ /oversize/"
        until(lambda: found.influx.query(refused), "the broker's complaint")
        yield Lab(found.influx, time.time_ns()), runs


@pytest.mark.parametrize("name", NAMES)
def test_no_panel_is_empty_that_should_have_data(after: tuple[Lab, list[str]], name: str) -> None:
    lab, runs = after
    known = by_name()
    for each in asked(name):
        one = ALL if name != "node" else NODES[0]
        rows = lab.ask(each.query, run=runs[-1], node=one, container=ALL)
        source = each.query.partition('FROM "fedbed_')[2].partition('"')[0]
        measurement = known.get(f"fedbed_{source}")
        is_due = measurement is not None and (
            measurement.source in (COORDINATOR, BROKER) or measurement.name in EVERYWHERE
        )
        if is_due and not each.where.endswith(QUIET):
            assert rows, f"{each.where}: {each.query}"


def test_ten_megabytes_on_a_telemetry_topic_are_one_complaint(after: tuple[Lab, list[str]]) -> None:
    lab, _ = after
    counted, listed = (each.query for each in asked("fleet") if "fedbed_broker" in each.query)
    about_it = [row for row in lab.ask(listed) if "oversize packet" in str(row["what"])]
    assert [row["level"] for row in about_it] == ["N"]
    assert sum(row["count"] for row in lab.ask(counted)) == len(lab.ask(listed))  # type: ignore[misc]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["uid"]))
def test_no_alert_fires_when_all_went_well(
    after: tuple[Lab, list[str]], rule: dict[str, Any]
) -> None:
    lab, _ = after
    is_firing = fires(rule, lab.database, lab.until_ns)
    assert not is_firing or rule["uid"] in BY_CHANCE
