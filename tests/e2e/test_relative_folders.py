"""Coordinator and agent as people start them: in some folder, with paths relative to it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from fedbed.client import Client
from tests.e2e.bench import LIMIT_S, nothing_left, result_of, submit

pytestmark = pytest.mark.e2e


def test_a_run_with_state_folders_below_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    monkeypatch.delenv("FEDBED_STATE", raising=False)
    started: list[subprocess.Popen[bytes]] = []

    def start(module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments, "--stop-with-parent"]
        started.append(subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE))

    with nothing_left():
        try:
            start("coordinator", "--port", "0", "--ready-file", "ready")
            ready, limit = tmp_path / "ready", time.monotonic() + LIMIT_S
            while not ready.exists():
                assert started[0].poll() is None
                assert time.monotonic() < limit
                time.sleep(0.02)
            url = ready.read_text()
            start("edge_agent", "--coordinator", url, "--name", "pi", "--state-dir", "agent")
            with Client(url) as client:
                run_id = submit(client, "federation.nodes=1", "federation.rounds=1")
                result = result_of(client, run_id, tmp_path / "fetched")
        finally:
            for process in reversed(started):
                process.communicate()  # closes its standard input, which stops it
    assert result["rounds"] == 1
    assert (tmp_path / "coordinator-state" / "runs" / run_id / "result.json").is_file()
