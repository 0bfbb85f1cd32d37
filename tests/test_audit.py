"""scripts/audit says what it has looked up, and that it hasn't where it couldn't."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "audit"


@pytest.fixture
def audit() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("audit", str(SCRIPT))
    spec = importlib.util.spec_from_loader("audit", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def answering(audit: ModuleType, monkeypatch: pytest.MonkeyPatch, out: str, err: str = "") -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, out, err)

    monkeypatch.setattr(audit.subprocess, "run", run)
    monkeypatch.delenv("AUDIT_REQUIRED", raising=False)


FINE = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([FINE], 0, "1 packages looked up, 0 known vulnerabilities\n"),
        ([FINE, UNKNOWN], 0, "0 known vulnerabilities, 1 unknown to the index\n"),
        ([FINE, BAD], 1, "b 2: CVE-1, fixed in 3\n"),
        ([UNKNOWN], 0, "SKIPPED, nothing was looked up: the index here has no such list"),
    ],
)
def test_what_it_says(
    audit: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    packages: list[dict[str, Any]],
    code: int,
    said: str,
) -> None:
    answering(audit, monkeypatch, json.dumps({"dependencies": packages}))
    assert audit.main() == code
    assert said in capsys.readouterr().out


def test_offline_is_said_in_one_line_and_is_an_error_where_it_is_required(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(audit, monkeypatch, "", "Traceback\nConnectionError: no route\n")
    assert audit.main() == 0
    expected = "audit: SKIPPED, nothing was looked up: ConnectionError: no route\n"
    assert capsys.readouterr().out == expected
    monkeypatch.setenv("AUDIT_REQUIRED", "1")
    assert audit.main() == 1
