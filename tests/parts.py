"""Small helpers that all tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


def need(condition: bool, reason: str) -> None:
    """Skip this test unless `condition` holds; fail instead where FEDBED_TESTS_NO_SKIP=1.

    A machine that must run everything (CI) sets the variable, so that nothing is skipped unseen.
    """
    if condition:
        return
    if os.environ.get("FEDBED_TESTS_NO_SKIP") == "1":
        pytest.fail(f"FEDBED_TESTS_NO_SKIP=1, but {reason}")
    pytest.skip(reason)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """Mount a file system of its own, of `size` bytes, on `folder`; skip where that isn't allowed.

    Only such a disk may a test fill.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "fedbed-test", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    need(done.returncode == 0, f"no small file system can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill the disk of `folder` to the last byte; returns the file to remove for room."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    return ballast


def shifted(offset: str) -> dict[str, str]:
    """Environment of a process whose clock is off, as in '+1y'; skips where faketime is missing."""
    need(shutil.which("faketime") is not None, "the package faketime is not installed")
    asked = subprocess.run(
        ["faketime", "-m", "-f", offset, "env"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    variables = dict(line.split("=", 1) for line in asked.stdout.splitlines() if "=" in line)
    return {name: variables[name] for name in ("LD_PRELOAD", "FAKETIME")}
