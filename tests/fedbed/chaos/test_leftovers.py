from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

from fedbed.chaos.leftovers import Logs, look, spooled, tracebacks


def a_testbed(root: Path) -> list[Path]:
    """The folders of a testbed with one node, with a database of two answered items."""
    node = root / "node-1"
    for folder in (node / "spool", node / "blobs", root / "coordinator" / "runs" / "r"):
        folder.mkdir(parents=True)
    connection = sqlite3.connect(root / "coordinator" / "fedbed.sqlite")
    connection.execute("CREATE TABLE work (id, run, state, sha256)")
    rows = [("r.1.0", "r", "done", "a"), ("r.1.1", "r", "open", ""), ("q.1.0", "q", "done", "b")]
    connection.executemany("INSERT INTO work VALUES (?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return [node]


def test_a_clean_testbed_has_its_work_and_nothing_else(tmp_path: Path) -> None:
    nodes = a_testbed(tmp_path)
    whole = hashlib.sha256(b"blob").hexdigest()
    (nodes[0] / "blobs" / whole).write_bytes(b"blob")
    found = look(tmp_path, nodes, "r", Logs())
    assert (found.database, found.done, found.open) == ("ok", {"r.1.0": "a"}, ["r.1.1"])
    assert not (found.spooled or found.half_written or found.damaged or found.tracebacks)


def test_half_written_damaged_and_spooled_files_are_found(tmp_path: Path) -> None:
    nodes = a_testbed(tmp_path)
    (nodes[0] / "spool" / ".r.1.0.result.x.part").write_bytes(b"half")
    (nodes[0] / "spool" / "r.1.0.result").write_bytes(b"update")
    (nodes[0] / "blobs" / ("0" * 64)).write_bytes(b"other bytes")
    (tmp_path / "coordinator" / "runs" / "r" / "round-000001.new").write_bytes(b"half")
    found = look(tmp_path, nodes, "r", Logs())
    assert found.half_written == [
        "node-1/spool/.r.1.0.result.x.part",
        "coordinator/runs/r/round-000001.new",
    ]
    assert found.damaged == ["node-1/blobs/" + "0" * 64]
    assert found.spooled == ["r.1.0 on node-1"]
    assert spooled(nodes) == {"r.1.0": hashlib.sha256(b"update").hexdigest()}


def test_a_broken_database_is_told_not_raised(tmp_path: Path) -> None:
    nodes = a_testbed(tmp_path)
    (tmp_path / "coordinator" / "fedbed.sqlite").write_bytes(b"no database" * 1000)
    assert "can't be read" in look(tmp_path, nodes, "r", Logs()).database


def test_tracebacks_are_told_once(tmp_path: Path) -> None:
    nodes = a_testbed(tmp_path)
    log = tmp_path / "coordinator.log"
    text = (
        "I began\nTraceback (most recent call last):\n  File x\n    y()\nOSError: full\nI go on\n"
    )
    log.write_text(text)
    logs = Logs()
    assert look(tmp_path, nodes, "r", logs).tracebacks == ["coordinator.log: OSError: full"]
    assert look(tmp_path, nodes, "r", logs).tracebacks == []
    log.write_text(text + text)
    assert len(look(tmp_path, nodes, "r", logs).tracebacks) == 1
    assert tracebacks("Traceback (most recent call last):\n  File") == ["cut short"]
