from __future__ import annotations

import io
import sys

import pytest
from rich.text import Text

from fedbed.cli import listing
from fedbed.cli.nodes import TITLES, _row

RUN = "20261121-042718-an-experiment-with-a-long-name-de0d"
NODE = {
    "name": "a-board-in-the-lab-that-nobody-shortened",
    "state": "training",
    "seen_s_ago": 1.0,
    "profile": {"machine": "Raspberry Pi 4 Model B Rev 1.5", "cpus": 4, "memory_bytes": 8e9},
    "agent": {"rss_bytes": 25_000_000},
    "run": RUN,
}


def shown(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> list[str]:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(out, "isatty", lambda: terminal)
    monkeypatch.setenv("COLUMNS", "80")
    listing.show(TITLES, [_row(NODE)], whole=TITLES[:4])
    return [line.rstrip() for line in Text.from_ansi(out.getvalue()).plain.splitlines()]


def test_a_pipe_gets_every_row_whole_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    head, row = shown(monkeypatch, terminal=False)
    assert head.split() == " ".join(TITLES).split()
    assert row.split("  ")[-1].strip() == RUN
    assert "Raspberry Pi 4 Model B Rev 1.5, 4 cores, 8.0 GB  25.0 MB" in row


def test_a_terminal_wraps_and_cuts_nothing_off(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, terminal=True)
    assert all(len(line) <= 80 for line in lines)
    assert "…" not in "".join(lines)
