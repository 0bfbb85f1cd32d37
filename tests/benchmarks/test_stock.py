"""Starting and ending the peer, with commands that stand for flwr's; `make bench` runs the real."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.stock import PeerAway, StockFlower

PYTHON = sys.executable
SLEEPER = ["sleep", "312.5"]
# It leaves its session and outlives its parent, as a SuperExec does.
LINK = """#!{python}
import socket, subprocess, sys, time
subprocess.Popen({sleeper}, start_new_session=True)
with socket.create_server(("127.0.0.1", int(sys.argv[-1]))):
    time.sleep(300)
"""
DEAD = """#!{python}
import sys
sys.exit("no TLS, no fun")
"""


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which commands are looked for, before anything else."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", os.pathsep.join(["/usr/bin", "/bin"]))
    return tmp_path


def put(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(text.format(python=PYTHON, sleeper=SLEEPER))
    path.chmod(0o755)


def test_without_flwr_the_peer_says_so(commands: Path) -> None:
    with pytest.raises(PeerAway, match="isn't installed here: there is no `flower-superlink`"):
        StockFlower(nodes=1).__enter__()


def test_a_process_that_dies_is_quoted_and_leaves_nothing(commands: Path) -> None:
    put(commands, "flower-superlink", LINK)
    put(commands, "flower-supernode", DEAD)
    put(commands, "flwr", '#!{python}\nprint(\'{{"success": true, "nodes": []}}\')\n')
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    flower = StockFlower(nodes=1)
    with pytest.raises(PeerAway, match="supernode-1 ended with code 1: no TLS, no fun"):
        flower.__enter__()
    after = {child.pid for child in psutil.Process().children(recursive=True)}
    assert after <= before
    sleepers = [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == SLEEPER]
    assert not sleepers


def test_closing_what_was_never_started_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").touch()
    monkeypatch.chdir(tmp_path)
    StockFlower().close()
    assert (tmp_path / "mine").exists()
