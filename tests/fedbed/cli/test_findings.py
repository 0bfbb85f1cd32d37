from __future__ import annotations

import io

import pytest

from fedbed.cli import findings as text
from fedbed.link.health import FAIL, OK, SKIPPED, WARN, Finding

FOUND = [
    Finding("disk", OK, "64 GB free"),
    Finding("temperature", FAIL, "84 degrees (cpu)", "it slows down", "give it a fan"),
    Finding("cuda", SKIPPED, "this is no Jetson"),
    Finding("ntp", WARN, "nothing\x1b[2Jsets the clock", "why", "mend"),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_plain_lines_whatever_is_found() -> None:
    assert text.lines(FOUND, io.StringIO()) == [
        "ok      disk         64 GB free",
        "fail    temperature  84 degrees (cpu)",
        "                     why: it slows down",
        "                     mend: give it a fan",
        "skipped cuda         this is no Jetson",
        "warn    ntp          nothing\\x1b[2Jsets the clock",
        "                     why: why",
        "                     mend: mend",
    ]


def test_what_is_well_may_be_left_out() -> None:
    shown = text.lines(FOUND, io.StringIO(), all_of_them=False)
    assert [line.split()[0] for line in shown] == ["fail", "why:", "mend:", "warn", "why:", "mend:"]


def test_a_terminal_gets_colours_and_no_line_that_is_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    long = [Finding("disk", FAIL, "word " * 40, "why", "mend")]
    shown = text.lines(long, Terminal())
    assert shown[0].startswith("\033[1;31mfail")
    assert all(len(line.replace("\033[1;31m", "").replace("\033[0m", "")) <= 60 for line in shown)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in "".join(text.lines(long, Terminal()))


def test_the_summary_counts() -> None:
    assert text.summary(FOUND, 3.2) == "4 checks in 3.2 s: 1 fail, 1 warn, 1 ok, 1 skipped"
