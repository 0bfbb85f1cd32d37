"""Findings of check-ups as text: for terminals, pipes and nodes that have the base install alone.

Standard library only, Python 3.8.
"""

from __future__ import annotations

import os
import shutil
import textwrap
from typing import List, Sequence, TextIO

from fedbed.link.health import FAIL, OK, SKIPPED, WARN, Finding, counts
from fedbed.logs import printable
from fedbed.units import format_count, format_duration

_COLOURS = {OK: "32", WARN: "33", FAIL: "1;31", SKIPPED: "90"}
_NARROWEST = 60


def lines(findings: Sequence[Finding], stream: TextIO, all_of_them: bool = True) -> List[str]:
    """Return a table of findings for `stream`: with colours and wrapped where it is a terminal.

    all_of_them: those, too, with which all is well.
    """
    is_terminal = stream.isatty()
    width = max(shutil.get_terminal_size().columns, _NARROWEST) if is_terminal else 0
    shown = [f for f in findings if all_of_them or f.level in (WARN, FAIL)]
    longest = max((len(printable(f.check)) for f in shown), default=0)
    colours = is_terminal and "NO_COLOR" not in os.environ
    found = []
    for finding in shown:
        level = f"{finding.level:<8}"
        head = paint(level, finding.level) if colours else level
        label = f"{printable(finding.check):<{longest}}  "
        indent = " " * (len(level) + len(label))
        texts = [("", finding.found), ("why: ", finding.why), ("mend: ", finding.mend)]
        body: List[str] = []
        for title, text in texts:
            if text:
                body += _wrapped(title + printable(text), width - len(indent))
        found.append(head + label + body[0] if body else head + label)
        found += [indent + line for line in body[1:]]
    return found


def paint(text: str, level: str) -> str:
    """Return a text in its level's colour."""
    return f"\033[{_COLOURS[level]}m{text}\033[0m"


def summary(findings: Sequence[Finding], took_s: float) -> str:
    """Count findings in a line: '28 checks in 3.2 s: 1 fail, 2 warn, 20 ok, 5 skipped'."""
    told = [f"{number} {level}" for level, number in counts(findings).items() if number]
    took = format_duration(took_s)
    return f"{format_count(len(findings), 'check')} in {took}: {', '.join(told)}"


def _wrapped(text: str, width: int) -> List[str]:
    return [text] if width <= 0 else textwrap.wrap(text, width) or [""]
