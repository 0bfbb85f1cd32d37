"""Who may import whom, and what must stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "flwr", "numpy", "pydantic", "httpx", "rich"}


def imported(path: Path) -> Iterator[str]:
    """Top-level packages that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def offenders(paths: list[Path], banned: set[str]) -> list[str]:
    assert paths
    return [
        f"{path.relative_to(TOP)} imports {name}"
        for path in paths
        for name in imported(path)
        if name in banned
    ]


@pytest.mark.parametrize(
    ("package", "banned"),
    [
        ("fedbed", {"coordinator", "edge_agent"}),
        ("edge_agent", {"coordinator"}),
        ("coordinator", {"edge_agent"}),
    ],
)
def test_packages_keep_to_their_side(package: str, banned: set[str]) -> None:
    assert offenders(sorted((TOP / package).rglob("*.py")), banned) == []


def test_the_daemon_is_light() -> None:
    folders = [TOP / "edge_agent" / name for name in ("", "probes", "doctor")]
    paths = [path for folder in folders for path in folder.glob("*.py")]
    assert offenders(sorted(paths), HEAVY) == []


@pytest.mark.parametrize(
    "argv",
    [
        ["-m", "fedbed", "--help"],
        ["-m", "fedbed", "run", "--help"],
        ["-m", "edge_agent", "--help"],
        ["-c", "import edge_agent.daemon"],
        ["-m", "edge_agent.probe", "--list"],
        ["-m", "fedbed", "doctor", "--help"],
    ],
)
def test_help_and_daemon_load_nothing_heavy(argv: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *argv],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        cwd=TOP,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "fedbed" in loaded
    assert loaded & HEAVY == set()
