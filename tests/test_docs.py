"""The documentation against the code: links, commands and flags that it names must exist."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "ansible" / "README.md",
        ROOT / "benchmarks" / "README.md",
        ROOT / "tests" / "apps" / "README.md",
        ROOT / "experiments" / "mcmahan" / "README.md",
    ]
)
NESTED = ("data",)
"""Commands that have commands of their own, each with its flags."""
FENCE = re.compile(r"```[a-z]*\n(.*?)```", re.DOTALL)


@lru_cache(maxsize=None)
def help_of(*command: str) -> str:
    """What `fedbed ... --help` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "fedbed", *command, "--help"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout


def commands(page: Path) -> list[list[str]]:
    """The `fedbed ...` lines of a page's code blocks, comments cut off, split into words."""
    lines = [line for block in FENCE.findall(page.read_text()) for line in block.splitlines()]
    return [line.split("#")[0].split() for line in lines if re.match(r"fedbed [a-z]", line.strip())]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_and_flags_exist(page: Path) -> None:
    for words in commands(page):
        known = help_of(*words[1 : 3 if words[1] in NESTED else 2])
        for flag in (word.split("=")[0] for word in words if word.startswith("--")):
            assert re.search(rf"{flag}\b", known), f"{page.name}: {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    blocks = FENCE.findall(page.read_text())
    named = {t for block in blocks for t in re.findall(r"^make ([a-z-]+)", block, re.MULTILINE)}
    assert named <= targets


def test_the_readme_has_the_two_commands_and_the_help_lists_them() -> None:
    readme = (ROOT / "README.md").read_text()
    assert re.search(r"^make demo ", readme, re.MULTILINE)
    assert re.search(r"^make test ", readme, re.MULTILINE)
    listed = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    ).stdout
    for target in ("setup", "demo", "test", "lint", "format", "bench", "clean"):
        assert f"make {target} " in listed


def test_every_file_of_a_run_is_documented() -> None:
    page = (ROOT / "docs" / "first-steps.md").read_text()
    source = (ROOT / "coordinator" / "runner" / "outcome.py").read_text()
    written = set(re.findall(r'folder / "([a-z.]+\.[a-z]+)"', source))
    assert len(written) >= 6
    for name in written:
        assert f"`{name}`" in page


def test_the_page_on_data_sets_knows_every_one_and_every_key_of_a_card() -> None:
    page = (ROOT / "docs" / "data.md").read_text()
    cards = sorted((ROOT / "datasets").glob("*.yaml"))
    assert len(cards) >= 5
    for card in cards:
        assert f"| `{card.stem}` |" in page
        for key in re.findall(r"^([a-z]+):", card.read_text(), re.MULTILINE):
            assert f"`{key}`" in page
    source = (ROOT / "fedbed" / "data" / "cards.py").read_text()
    for key in re.findall(r'top\.(?:take|items|option|safe_name)\("([a-z]+)"', source):
        assert f"`{key}`" in page
