"""How images are built for several platforms; that they build was tried by hand: docs/boards.md."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.parts import need

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "images"


def pinned(machine: str, python: str) -> list[str]:
    """What constraints.txt has of torch for a platform."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    where = {"platform_machine": machine, "python_version": python}
    return [
        str(pin.specifier)
        for pin in pins
        if pin.name == "torch" and (pin.marker is None or pin.marker.evaluate(where))
    ]


@pytest.mark.parametrize(
    ("machine", "python", "pins"),
    [
        ("x86_64", "3.11", ["==2.13.0"]),
        ("x86_64", "3.13", ["==2.13.0"]),
        ("aarch64", "3.11", ["==2.9.1"]),
        ("aarch64", "3.8", []),  # no such torch exists for it
        ("arm64", "3.12", ["==2.13.0"]),  # as macOS calls it
    ],
)
def test_each_platform_has_the_torch_that_runs_on_it(
    machine: str, python: str, pins: list[str]
) -> None:
    assert pinned(machine, python) == pins


def test_shellcheck_finds_nothing() -> None:
    need(shutil.which("shellcheck") is not None, "shellcheck is not installed")
    done = subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.stdout == ""


# Stands for docker: notes what it is asked for.
DOCKER = """#!/bin/sh
echo "$@" >> "$NOTES"
"""


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """A copy of what the script needs, with a docker that only takes notes."""
    for path in ("scripts/images", "fedbed/__init__.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    return tmp_path


def builds(folder: Path, *platforms: str, **more: str) -> list[str]:
    environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", **more}
    environment["NOTES"] = str(folder / "notes")
    command = [str(folder / "scripts" / "images"), *platforms]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
    lines = (folder / "notes").read_text().splitlines()
    return [line for line in lines if line not in ("buildx version", "info")]


def test_without_platforms_both_images_are_this_machines(asked: Path) -> None:
    lines = builds(asked)
    assert [line.split()[5] for line in lines] == ["coordinator", "agent"]
    assert all("--platform" not in line and "--load" in line for line in lines)
    assert "--tag fedbed-agent:0.1.0 " in lines[1]


def test_each_platform_becomes_a_file_of_its_own(asked: Path) -> None:
    lines = builds(asked, "linux/amd64,linux/arm64")
    saved = [line.split()[2] for line in lines if line.startswith("save")]
    assert saved == [
        f"dist/images/fedbed-{target}-{architecture}.tar"
        for target in ("coordinator", "agent")
        for architecture in ("amd64", "arm64")
    ]


def test_a_registry_gets_one_image_for_all(asked: Path) -> None:
    lines = builds(asked, "linux/amd64,linux/arm64", REGISTRY="lab:5000")
    assert len(lines) == 2
    assert all("--platform linux/amd64,linux/arm64 --push" in line for line in lines)
    assert "--tag lab:5000/fedbed-agent:0.1.0 " in lines[1]


def test_without_buildx_it_says_so(asked: Path) -> None:
    (asked / "bin" / "docker").write_text("#!/bin/sh\nexit 1\n")
    environment = {**os.environ, "PATH": f"{asked}/bin:{os.environ['PATH']}"}
    command = [str(asked / "scripts" / "images")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 10
    assert done.stderr.startswith("make images: Docker has no buildx")
