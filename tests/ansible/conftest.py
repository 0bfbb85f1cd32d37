"""One lab of three hosts for all tests of the playbooks; they are provisioned once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ansible.lab import ROOT, Lab, lab

NAMES = ("pi-1", "pi-2", "pi-3")


@pytest.fixture(scope="package")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make wheelhouse` makes, for this machine's kind and without torch."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    command = [sys.executable, "-m", "fedbed.lab.wheelhouse", "--to", str(folder)]
    command += ["--parts", "fedbed", "agent", "numpy"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="package")
def hosts(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Iterator[Lab]:
    """A coordinator, and three bare hosts that can reach it."""
    with lab(tmp_path_factory.mktemp("lab"), NAMES, wheelhouse) as running:
        yield running
