"""Disks run full while a run is on: all say so, nothing is lost, and it goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fedbed.client import Client
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import (
    LONG_ROUNDS,
    await_training,
    nothing_left,
    result_of,
    run_in,
    submit,
    wait_for,
)
from tests.parts import fill, small_disk

pytestmark = pytest.mark.e2e
MIB = 1024 * 1024
SETTINGS = [*LONG_ROUNDS, "federation.rounds=4", "codec.up=small", "codec.down=int8"]
SETTINGS += ["federation.rejoin_grace=30s"]


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTestbed]:
    """A coordinator and two agents; the coordinator's and node-2's disks may be filled."""
    state = tmp_path_factory.mktemp("state")
    with ExitStack() as stack:
        for name in ("coordinator", "node-2"):
            stack.enter_context(small_disk(state / name, 32 * MIB))
        stack.enter_context(nothing_left())
        yield stack.enter_context(LocalTestbed(nodes=2, state_dir=state))


@pytest.fixture(scope="module")
def undisturbed(testbed: LocalTestbed, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Hash of the model when nothing happens."""
    with Client(testbed.url) as client:
        result = result_of(
            client, submit(client, *SETTINGS), tmp_path_factory.mktemp("undisturbed")
        )
    return str(result["model_sha256"])


def test_a_full_disk_at_the_coordinator_holds_a_run_up_and_no_more(
    testbed: LocalTestbed, undisturbed: str, tmp_path: Path
) -> None:
    with Client(testbed.url) as client:
        run_id = submit(client, *SETTINGS)
        await_training(client, run_id, 2)
        ballast = fill(testbed.state_dir / "coordinator")
        wait_for(client, lambda p: p["coordinator"]["trouble"], "the coordinator's trouble")
        wait_for(
            client,
            lambda p: "disk is full" in run_in(p, run_id)["wait"],
            "the run to wait for room",
        )
        round_then = run_in(client.live(), run_id)["round"]
        ballast.unlink()
        result = result_of(client, run_id, tmp_path)
        assert round_then < 4
        assert result["model_sha256"] == undisturbed
        assert [r["participants"] for r in result["history"]] == [2] * 4
        wait_for(client, lambda p: not p["coordinator"]["trouble"], "the trouble to end")
    log = (testbed.state_dir / "coordinator.log").read_text()
    assert "Traceback" not in log


def test_a_full_disk_on_a_node_holds_its_update_up_and_no_more(
    testbed: LocalTestbed, undisturbed: str, tmp_path: Path
) -> None:
    def trouble(picture: dict[str, list[dict[str, str]]]) -> str:
        return next(n["trouble"] for n in picture["nodes"] if n["name"] == "node-2")

    with Client(testbed.url) as client:
        run_id = submit(client, *SETTINGS)
        await_training(client, run_id, 2)
        ballast = fill(testbed.state_dir / "node-2")
        wait_for(client, lambda p: "disk is full" in trouble(p), "node-2's trouble")
        assert "node-2: its disk is full" in client.run(run_id)["wait"]
        ballast.unlink()
        result = result_of(client, run_id, tmp_path)
        assert result["model_sha256"] == undisturbed
        assert [r["participants"] for r in result["history"]] == [2] * 4
        wait_for(client, lambda p: not trouble(p), "node-2's trouble to end")
    assert "Traceback" not in (testbed.state_dir / "node-2.log").read_text()
