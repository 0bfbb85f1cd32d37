from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from fedbed import testbed as module
from fedbed.client import Client
from fedbed.errors import FedbedError, NameTaken
from fedbed.testbed import LocalTestbed, Process

pytestmark = pytest.mark.e2e


def wait_until(true: Callable[[], bool], limit_s: float = 15.0) -> None:
    limit = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.05)


def using(folder: Path) -> list[int]:
    """Processes whose command line names something in `folder`."""
    everyone = psutil.process_iter(["cmdline"])  # None where it may not be read
    lines = {process.pid: " ".join(process.info["cmdline"] or []) for process in everyone}
    return [pid for pid, line in lines.items() if pid != os.getpid() and str(folder) in line]


def test_all_join_and_nothing_is_left_behind() -> None:
    with LocalTestbed(2) as testbed:
        folder = testbed.state_dir
        assert [p.name for p in testbed.processes] == ["coordinator", "node-1", "node-2"]
        assert len({os.getsid(p.pid) for p in testbed.processes}) == 3
        assert len(using(folder)) == 3
        with Client(testbed.url) as client:
            assert {n["name"]: n["state"] for n in client.nodes()} == {
                "node-1": "ready",
                "node-2": "ready",
            }
        testbed.check()
    assert using(folder) == []
    assert not folder.exists()
    testbed.close()
    assert testbed.processes == []


def test_the_settings_of_this_machines_own_agent_are_not_its_nodes(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text("coordinator: http://192.0.2.1:1\nlabels: {own: agent}\n")
    env = {"FEDBED_AGENT_CONFIG": str(tmp_path / "agent.yaml")}
    with LocalTestbed(1, env=env) as testbed, testbed.client() as client:
        (node,) = client.nodes()
    assert node["labels"] == {}


def test_a_temporary_folder_may_stay() -> None:
    with LocalTestbed(0) as testbed:
        folder = testbed.state_dir
        testbed.keep()
    assert (folder / "coordinator" / "fedbed.sqlite").is_file()
    shutil.rmtree(folder)


def test_a_given_folder_stays_and_nodes_keep_their_identity(tmp_path: Path) -> None:
    seen = []
    for _ in range(2):
        with LocalTestbed(1, tmp_path / "state") as testbed, Client(testbed.url) as client:
            seen.append([node["id"] for node in client.nodes()])
    assert seen[0] == seen[1]
    assert (tmp_path / "state" / "node-1.log").is_file()
    assert using(tmp_path) == []


def test_a_node_that_dies_is_quoted_and_the_others_are_stopped(tmp_path: Path) -> None:
    (tmp_path / "node-2").write_text("a file where the state folder should be")
    with pytest.raises(FedbedError, match="node-2 ended with code"):
        LocalTestbed(2, tmp_path).start()
    assert using(tmp_path) == []


def test_the_coordinator_starts_again_though_a_node_is_dead() -> None:
    with LocalTestbed(1) as testbed:
        for name in ("node-1", "coordinator"):
            testbed.process(name).popen.kill()
            testbed.process(name).popen.wait()
        testbed.restart_coordinator()
        with Client(testbed.url) as client:
            assert [node["name"] for node in client.nodes()] == ["node-1"]


def test_a_state_folder_in_use_is_said_with_the_logs_words(tmp_path: Path) -> None:
    with LocalTestbed(1, tmp_path) as testbed:
        with pytest.raises(FedbedError, match=r"coordinator ended .*another coordinator"):
            LocalTestbed(1, tmp_path).start()
        testbed.check()


def test_exit_codes_become_errors_again(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("first\nfedbed agent: the name is taken\n\n")
    popen = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    popen.wait()
    testbed = LocalTestbed(0)
    with pytest.raises(NameTaken, match="node-1 ended with code 7: fedbed agent: the name is"):
        testbed.check([Process("node-1", popen, log)])


def test_an_interrupted_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalTestbed, "_await_nodes", interrupt)
    with pytest.raises(KeyboardInterrupt):
        LocalTestbed(2, tmp_path).start()
    assert using(tmp_path) == []


def test_a_process_that_will_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_GRACE_S", 0.5)
    with LocalTestbed(1, tmp_path) as testbed:
        os.kill(testbed.processes[1].pid, signal.SIGSTOP)
        os.kill(testbed.processes[0].pid, signal.SIGSTOP)
    assert using(tmp_path) == []


def test_they_end_with_their_parent_however_it_ends(tmp_path: Path) -> None:
    code = (
        "import sys, time; from fedbed.testbed import LocalTestbed\n"
        "with LocalTestbed(2, __import__('pathlib').Path(sys.argv[1])):\n"
        "    print('up', flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "up\n"
    assert len(using(tmp_path)) == 4
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: using(tmp_path) == [])


def test_relative_data_folders_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDBED_DATA", "some/where")
    environment = LocalTestbed(0, env={"OTHER": "x"})._environment()
    assert environment["FEDBED_DATA"] == str(Path("some/where").absolute())
    assert environment["OTHER"] == "x"
