"""What the images are made from; that they build was tried by hand (docs/compose.md)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()


def wanted(folder: Path, *extras: str) -> set[str]:
    """Names of the packages that an image installs before fedbed itself."""
    for path in ("pyproject.toml", "docker/requirements.py"):
        shutil.copy(ROOT / path, folder)
    done = subprocess.run(
        [sys.executable, str(folder / "requirements.py"), *extras],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return {re.split(r"[^A-Za-z0-9_-]", line)[0] for line in done.stdout.splitlines()}


def test_an_agents_image_has_what_trains_and_nothing_of_the_centre(tmp_path: Path) -> None:
    agent = wanted(tmp_path, "train")
    assert {"psutil", "paho-mqtt", "torch", "numpy"} <= agent
    assert not {"flwr", "fastapi", "fedbed"} & agent
    coordinator = wanted(tmp_path, "train", "coordinator")
    assert {"flwr", "fastapi", "cryptography"} < coordinator - agent


def test_holds_nothing_but_what_it_is_made_from() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for path in " ".join(copied).split():
        assert f"!{path}" in rules


def test_torch_is_the_one_that_was_chosen() -> None:
    installs = re.findall(r"pip install .*--requirement.*", DOCKERFILE)
    assert len(installs) == 2
    assert all("--constraint /constraints.txt" in line for line in installs)
