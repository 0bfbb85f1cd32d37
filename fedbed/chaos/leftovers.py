"""What processes of a local testbed leave in their folders and logs."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from fedbed.chaos.invariants import Holdings

_PART = re.compile(r"\.(part|new)$|^\.")
"""Names under which files are written before they get their own."""
_HASH = re.compile(r"[0-9a-f]{64}")
_SUFFIX = ".result"
_TRACEBACK = "Traceback (most recent call last)"


class Logs:
    """Log files that only grow, read from where the last look ended."""

    def __init__(self) -> None:
        self._read: dict[Path, int] = {}

    def news(self, path: Path) -> str:
        """Return what has been added since the last look."""
        data = _bytes(path)
        begin = self._read.get(path, 0)
        self._read[path] = len(data)
        return data[begin:].decode(errors="replace")


def look(root: Path, nodes: Sequence[Path], run: str, logs: Logs) -> Holdings:
    """Look at everything below a testbed's folder that concerns a run."""
    done, still_open, integrity = _database(root / "coordinator" / "fedbed.sqlite", run)
    ours = root / "coordinator" / "runs" / run
    growing = {path.name: logs.news(path) for path in sorted(root.glob("*.log"))}
    fresh = {f"{node.name}'s worker": _text(node / "worker.log") for node in nodes}
    fresh["run's process"] = _text(ours / "server.log")
    folders = [*nodes, ours, root / "coordinator" / "blobs"]
    return Holdings(
        database=integrity,
        done=done,
        open=still_open,
        spooled=sorted(f"{item} on {node.name}" for node in nodes for item in _spool(node)),
        half_written=[name for folder in folders for name in _half_written(folder, root)],
        damaged=[name for folder in folders for name in _damaged(folder, root)],
        tracebacks=[
            f"{source}: {last}"
            for source, text in {**growing, **fresh}.items()
            for last in tracebacks(text)
        ],
    )


def spooled(nodes: Sequence[Path]) -> Mapping[str, str]:
    """Return the updates in the nodes' spools: work item -> sha256."""
    return {
        item: hashlib.sha256(data).hexdigest() for n in nodes for item, data in _spool(n).items()
    }


def tracebacks(log: str) -> list[str]:
    """Return the last line of each traceback in a log: the first one that isn't indented."""
    found = []
    for part in log.split(_TRACEBACK)[1:]:
        lines = (line for line in part.splitlines()[1:] if line and not line[0].isspace())
        found.append(next(lines, "cut short")[:200])
    return found


def processes(root: Path) -> list[str]:
    """Name the processes that were started below a folder, or with it in their command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = " ".join(process.info["cmdline"] or [])
        cwd = process.info["cwd"] or ""
        if process.pid != os.getpid() and (str(root) in words or cwd.startswith(str(root))):
            found.append(f"process {process.pid} ({words[:80]})")
    return found


def _database(path: Path, run: str) -> tuple[dict[str, str], list[str], str]:
    """Return the run's answered items, its open ones, and what the integrity check says."""
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        try:
            rows = connection.execute(
                "SELECT id, state, sha256 FROM work WHERE run = ?", (run,)
            ).fetchall()
            words = connection.execute("PRAGMA integrity_check").fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return {}, [], f"can't be read: {error}"
    done = {item: sha256 for item, state, sha256 in rows if state == "done"}
    return done, [i for i, state, _ in rows if state == "open"], "; ".join(w for (w,) in words)


def _spool(node: Path) -> dict[str, bytes]:
    paths = (node / "spool").glob(f"*{_SUFFIX}")
    return {path.name[: -len(_SUFFIX)]: _bytes(path) for path in paths}


def _half_written(folder: Path, root: Path) -> list[str]:
    return [str(p.relative_to(root)) for p in _files(folder) if _PART.search(p.name)]


def _damaged(folder: Path, root: Path) -> list[str]:
    blobs = [path for path in _files(folder) if _HASH.fullmatch(path.name)]
    return [
        str(path.relative_to(root))
        for path in blobs
        if hashlib.sha256(_bytes(path)).hexdigest() != path.name and path.is_file()
    ]


def _files(folder: Path) -> list[Path]:
    # A node's links to our own packages aren't followed.
    found = [Path(place) / name for place, _, names in os.walk(folder) for name in names]
    return sorted(path for path in found if not path.is_symlink())


def _text(path: Path) -> str:
    return _bytes(path).decode(errors="replace")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it may go while we look
        return b""
