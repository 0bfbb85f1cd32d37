"""A real run's points, and a real machine's: no panel is empty that should have data."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from fedbed.telemetry.definition import COORDINATOR, by_name
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import result_of, submit
from tests.influx import TOKEN, influx
from tests.monitoring.asking import ALL, NAMES, asked
from tests.monitoring.conftest import Lab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
NODES = ("node-1", "node-2")
EVERYWHERE = {"fedbed_cpu", "fedbed_memory", "fedbed_disk", "fedbed_network"}
"""What every machine measures; sensors and graphics processors not all have."""
QUIET = ("Training, A", "annotation Faults", "Clock rate, A")
"""Nobody trains when all is over, nothing went wrong, and not every machine tells its clock."""


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, list[str]]]:
    """The database after two runs, and their ids."""
    folder = tmp_path_factory.mktemp("real")
    with influx(folder / "influx") as database, pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDBED_INFLUX_TOKEN", TOKEN)
        patch.setenv("FEDBED_INFLUX_URL", database.url)
        probes = [probe(node) for node in NODES]
        with LocalTestbed(
            nodes=len(NODES), state_dir=folder / "bed"
        ) as bed, bed.client() as client:
            settings = "federation.evaluate=both", "data.train_samples=4000"
            runs = [submit(client, *settings, seed=seed, twin=True) for seed in (1, 2)]
            for run in runs:
                result_of(client, run, folder / "runs")
            time.sleep(1)
        for process in probes:
            process.terminate()
            database.write(process.communicate(timeout=30)[0])
        yield Lab(database, time.time_ns()), runs


def probe(node: str) -> subprocess.Popen[str]:
    """Measure this machine under a node's name, as Telegraf's execd would have it done."""
    command = [sys.executable, "-m", "edge_agent.probe", "--node", node]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


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
            measurement.source == COORDINATOR or measurement.name in EVERYWHERE
        )
        if is_due and not each.where.endswith(QUIET):
            assert rows, f"{each.where}: {each.query}"
