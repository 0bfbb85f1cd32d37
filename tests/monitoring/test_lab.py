"""`make up` where something is missing: one line that says what to do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A checkout's script, and a machine that has sh, and nothing else unless a test adds it."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "lab", tmp_path / "scripts" / "lab")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "dirname"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    return tmp_path


def docker(lab: Path, *refused: str) -> None:
    """Act a docker that refuses some of its commands."""
    program = lab / "bin" / "docker"
    cases = "".join(f'case "$*" in "{words}"*) exit 1 ;; esac\n' for words in refused)
    program.write_text(f"#!/bin/sh\n{cases}")
    program.chmod(0o755)


def up(lab: Path) -> tuple[int, str]:
    done = subprocess.run(
        [str(lab / "bin" / "sh"), str(lab / "scripts" / "lab"), "up"],
        env={"PATH": str(lab / "bin")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def test_without_docker(lab: Path) -> None:
    code, told = up(lab)
    assert code == 10
    assert told.startswith("make up: Docker is not installed")
    assert told.count("\n") == 1


def test_without_compose(lab: Path) -> None:
    docker(lab, "compose version")
    assert "install the package docker-compose-plugin" in up(lab)[1]


def test_without_secrets(lab: Path) -> None:
    docker(lab)
    code, told = up(lab)
    assert code == 10
    assert told == "make up: there is no .env with the lab's secrets yet: run make secrets first\n"


def test_without_a_docker_that_answers(lab: Path) -> None:
    docker(lab, "info")
    (lab / ".env").touch()
    assert "Docker doesn't answer" in up(lab)[1]


def test_with_all_of_it(lab: Path) -> None:
    docker(lab)
    (lab / ".env").touch()
    assert up(lab) == (0, "")
