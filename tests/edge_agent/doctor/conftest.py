from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.doctor.setup import Setup


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    """A node whose coordinator nobody listens for."""
    state = tmp_path / "state"
    state.mkdir()
    return Setup("http://127.0.0.1:9", "pi-1", state, sys.executable)


@pytest.fixture
def fake_python(tmp_path: Path) -> Callable[[str], str]:
    """Make a fake interpreter: a shell script; returns its path."""

    def make(script: str) -> str:
        path = tmp_path / "fake-python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    return make
