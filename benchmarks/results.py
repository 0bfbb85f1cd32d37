"""The document of one call: what was measured, when, on what, with which versions."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.rows import Row

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks" / "results"
PACKAGES = ("fedbed", "flwr", "torch", "numpy", "zstandard")
# Written by the measurements themselves: they don't make the measured code another.
WRITTEN = (":!benchmarks/results", ":!docs/performance.md")


def describe(
    rows: Sequence[Row], quick: bool, chosen: Sequence[str], complete: bool, seconds: float
) -> dict[str, Any]:
    """Return the document.

    chosen: names of what was to be measured. complete: whether that was all there is, and nothing
    broke it off. seconds: how long it took.
    """
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "mode": "quick" if quick else "full",
        "measurements": list(chosen),
        "complete": complete,
        "seconds": round(seconds, 1),
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
        "rows": [row.to_json() for row in rows],
    }


def stem(document: dict[str, Any]) -> str:
    """Return the name of its files: `latest` is the last complete, full call, and nothing else."""
    if not document["complete"]:
        return "partial"
    return "latest" if document["mode"] == "full" else "quick"


def write(document: dict[str, Any], folder: Path) -> Path:
    """Write it as JSON; returns the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem(document)}.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document, indent=1) + "\n")
    part.replace(path)
    return path


def rows_of(document: dict[str, Any]) -> list[Row]:
    """Return the rows of a document."""
    return [Row.from_json(row) for row in document["rows"]]


def machine() -> dict[str, Any]:
    """Describe this machine."""
    return {
        "cpu": _cpu_model(),
        "cores": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Return versions of Python and of the packages that matter; without those not installed."""
    named = ((name, _version(name)) for name in PACKAGES)
    return {"python": platform.python_version(), **{name: v for name, v in named if v}}


def commit() -> str:
    """Return the commit that is measured, with "+ dirty" for changes; empty outside of git."""
    head = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--", ".", *WRITTEN)
    return f"{head} + dirty" if head and changed else head


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _git(*words: str) -> str:
    try:
        done = subprocess.run(  # nosec B603 B607 # git, with words of ours
            ["git", *words], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model") and value.strip():
            return value.strip()
    return platform.processor() or platform.machine()
