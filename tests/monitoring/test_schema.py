"""Dashboards are what Grafana's own published types say: tsc judges them, with panels' options.

The types and the compiler come from npm once, into a cache outside of the repository.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from tests.monitoring.asking import NAMES, board, panels
from tests.parts import need

PACKAGES = ("@grafana/schema@11.6.0", "typescript@5.8.3")
pytestmark = pytest.mark.timeout(600)
JUDGE = Path(__file__).with_name("dashboard.ts")
OPTIONS = [
    "--noEmit",
    "--strict",
    "--skipLibCheck",
    "--module",
    "nodenext",
    "--moduleResolution",
    "nodenext",
    "--target",
    "es2022",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which tsc finds Grafana's types."""
    need(shutil.which("npm") is not None, "npm is not installed")
    made = tmp_path_factory.mktemp("types")
    (made / "package.json").write_text('{"private": true, "type": "module"}')
    (made / "node_modules").symlink_to(_packages() / "node_modules")
    shutil.copy(JUDGE, made)
    return made


def _packages() -> Path:
    """Install the packages, if they aren't there; returns where."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fedbed"
    name = "-".join(package.replace("/", "-").replace("@", "") for package in PACKAGES)
    wanted = cache / name
    if wanted.is_dir():
        return wanted
    cache.mkdir(parents=True, exist_ok=True)
    fresh = Path(mkdtemp(dir=cache))
    try:
        (fresh / "package.json").write_text('{"private": true}')
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES]
        done = subprocess.run(
            command, cwd=fresh, capture_output=True, text=True, timeout=300, check=False
        )
        need(done.returncode == 0, f"npm can't install {' '.join(PACKAGES)}: {done.stderr[-300:]}")
        if not wanted.is_dir():
            fresh.rename(wanted)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return wanted


@pytest.fixture(scope="module")
def complaints(folder: Path) -> dict[str, list[str]]:
    """What tsc says of our dashboards, and of some that are wrong; it starts slowly, so once."""
    ours = [line for name in NAMES for line in statements(name, board(name), panels(name))]
    (panel, *_) = panels("fleet")
    wrong = [
        *statements("tittle", {**board("fleet"), "tittle": "Fleet"}, []),
        *statements("sync", {**board("fleet"), "graphTooltip": 7}, []),
        *statements("one", board("fleet"), [with_option(panel, "colorMode", "rainbow")]),
        *statements("two", board("fleet"), [with_option(panel, "colourMode", "value")]),
    ]
    for name, lines in (("ours", ours), ("wrong", wrong)):
        text = ["import type { Board, Own } from './dashboard.js';", *lines]
        (folder / f"{name}.ts").write_text("\n".join(text))
    done = subprocess.run(
        ["node", "node_modules/typescript/bin/tsc", *OPTIONS, "ours.ts", "wrong.ts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    told = done.stdout.splitlines()
    meant = [line for line in told if line.startswith("wrong.ts")]
    return {"ours": [line for line in told if line not in meant], "wrong": meant}


def statements(name: str, read: dict[str, Any], shown: list[dict[str, Any]]) -> Iterator[str]:
    yield f"export const {name}: Board = {json.dumps(read)};"
    for panel in shown:
        custom = panel["fieldConfig"]["defaults"].get("custom", {})
        own = json.dumps({"options": panel["options"], "custom": custom})
        yield f"export const {name}{panel['id']}: Own<'{panel['type']}'> = {own};"


def with_option(panel: dict[str, Any], name: str, value: str) -> dict[str, Any]:
    return {**panel, "options": {**panel["options"], name: value}}


def test_dashboards_and_their_panels_are_of_grafanas_types(
    complaints: dict[str, list[str]],
) -> None:
    assert complaints["ours"] == []


def test_the_judge_sees_what_is_wrong(complaints: dict[str, list[str]]) -> None:
    told = complaints["wrong"]
    assert len(told) == 4
    for line, word in zip(told, ("tittle", "'7'", "rainbow", "colourMode"), strict=True):
        assert word in line
