from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging, sys, threading
from fedbed import logs
logs.configure()
log = logging.getLogger("fedbed.agent")
log.info("one\\nline")
log.warning("beware")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("wrong")
logs.last_words("fedbed agent: the end")
thread = threading.Thread(target=lambda: [][0])
thread.start()
thread.join()
{}["key"]
"""


@pytest.fixture
def written(tmp_path: Path) -> list[str]:
    """What a program writes whose standard error the journal reads."""
    with (tmp_path / "journal").open("wb") as stream:
        found = os.fstat(stream.fileno())
        environment = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        command = [sys.executable, "-c", PROGRAM]
        subprocess.run(command, stderr=stream, env=environment, check=False)
    return (tmp_path / "journal").read_text().splitlines()


def test_each_line_begins_with_its_priority_in_the_journal(written: list[str]) -> None:
    assert written[:3] == [
        r"<6>fedbed.agent: one\nline",
        "<4>fedbed.agent: beware",
        "<3>fedbed.agent: wrong",
    ]
    assert "<3>ZeroDivisionError: division by zero" in written
    assert "<3>fedbed agent: the end" in written


def test_what_nobody_caught_is_in_the_journal_too(written: list[str]) -> None:
    assert "<2>IndexError: list index out of range" in written
    assert written[-1] == "<2>KeyError: 'key'"
    assert all(line.startswith("<") for line in written)


@pytest.mark.parametrize("named", ["", "1:1", "nonsense"])
def test_another_stream_has_levels_for_people(named: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "JOURNAL_STREAM": named},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stderr.splitlines()
    assert lines[:2] == [r"I fedbed.agent: one\nline", "W fedbed.agent: beware"]
    assert "fedbed agent: the end" in lines
