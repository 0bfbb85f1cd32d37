"""A coordinator that asks for tokens, and the container that writes one for the others."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

from fedbed import authority
from fedbed.lab import enrol
from fedbed.testbed import LocalTestbed


def test_each_start_lets_agents_in_anew_and_nobody_else(tmp_path: Path) -> None:
    token_file = tmp_path / "agents.token"
    with LocalTestbed(nodes=0, enrolled=True, tls=True) as testbed:
        with testbed.client() as client:
            enrol.enrol(client, token_file)
            first = token_file.read_text()
            enrol.enrol(client, token_file)
            assert token_file.read_text() != first
            assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
            found = client.enrolments()
        assert sorted(row["state"] for row in found) == ["revoked", "valid"]
        assert all(row["names"][:2] == ["agent-1", "agent-2"] for row in found)
        assert testbed.ca is not None
        assert _healthy(testbed.url, testbed.ca).returncode == 0
        stranger = _healthy(testbed.url, _another_ca(tmp_path))
        assert stranger.returncode == 1
        assert "certificate" in stranger.stderr
    gone = _healthy(testbed.url, _another_ca(tmp_path))
    assert gone.returncode == 1
    assert gone.stderr.count("\n") == 1


def _another_ca(folder: Path) -> Path:
    if not (folder / "ca.pem").exists():
        authority.make_ca(folder)
    return folder / "ca.pem"


def _healthy(url: str, ca: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", "-m", "fedbed.lab.answers"],
        env={**os.environ, "FEDBED_COORDINATOR": url, "FEDBED_CA": str(ca)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
