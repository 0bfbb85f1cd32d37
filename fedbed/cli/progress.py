"""How a run's progress gets onto the terminal: redrawn in place, or as plain lines.

Redrawing without flicker: the frame is written over the one before, line by line, and in one go.
When the window changes its size the terminal has moved the old lines about, so that nobody can say
where they are: then the whole screen is cleared once.
"""

from __future__ import annotations

import contextlib
import os
import sys
import termios
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from rich.console import Console

from fedbed.cli import readings
from fedbed.cli.plain import PlainLines
from fedbed.cli.screen import frame

_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
"""Terminals that know them show what is between them at once; the others ignore them."""


class Display(Protocol):
    """Shows pictures of one run, each newer than the one before."""

    def show(self, run: Mapping[str, Any], picture: Mapping[str, Any]) -> None:
        """Show a run as the API describes it, and the whole picture that it is part of."""

    def note(self, text: str) -> None:
        """Print a line that stays."""


Heading = Callable[[float | None], str]
"""Makes a line out of the seconds that a run still takes, by its own estimate."""


class Headed:
    """A display with a line above that says what the run is part of."""

    def __init__(self, shown: Display, heading: Heading) -> None:
        self._shown = shown
        self._heading = heading

    def show(self, run: Mapping[str, Any], picture: Mapping[str, Any]) -> None:
        """Show a run below the line."""
        self._shown.show(run, {**picture, "heading": self._heading(readings.seconds_left(run))})

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self._shown.note(text)


@contextmanager
def display(plain: bool = False, stream: TextIO | None = None) -> Iterator[Display]:
    """Return the display that fits the stream (standard output unless given); end it after use."""
    stream = stream or sys.stdout
    if plain or not _can_redraw(stream):
        yield PlainLines(stream)
        return
    screen = Redrawn(stream)
    with _quiet_keyboard():
        try:
            stream.write(_HIDE)
            yield screen
        finally:
            stream.write(_SHOW)
            stream.flush()


def _can_redraw(stream: TextIO) -> bool:
    encoding = (stream.encoding or "").lower().replace("-", "")
    known = os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")
    return stream.isatty() and known and encoding.startswith("utf")


class Redrawn:
    """One frame, redrawn in place below what was printed before."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._console = Console(file=stream, highlight=False, force_terminal=True)
        self._drawn = 0
        """Lines of the frame that is on the terminal."""
        self._drawn_in = (0, 0)

    def show(self, run: Mapping[str, Any], picture: Mapping[str, Any]) -> None:
        """Draw over the frame before."""
        width, height = self._size()
        with self._console.capture() as captured:
            self._console.print(
                frame(run, picture, width, height), width=width, no_wrap=True, crop=True
            )
        lines = [line.rstrip() for line in captured.get().splitlines()][:height]
        self._write(lines, (width, height))

    def note(self, text: str) -> None:
        """Print a line above the next frame."""
        self._write([], self._size())
        self._stream.write(text + "\n")
        self._stream.flush()

    def _write(self, lines: list[str], size: tuple[int, int]) -> None:
        out = [_BEGIN, _NO_WRAP]
        if self._drawn and size != self._drawn_in:
            out.append("\x1b[H\x1b[J")
        elif self._drawn:
            out.append(f"\x1b[{self._drawn}A\r")
        out += [f"{line}\x1b[0m\x1b[K\n" for line in lines]
        out += ["\x1b[J", _WRAP, _END]
        self._stream.write("".join(out))
        self._stream.flush()
        self._drawn, self._drawn_in = len(lines), size

    def _size(self) -> tuple[int, int]:
        """Return usable columns and lines: the last one of each is the cursor's."""
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return 79, 23
        return max(20, (size.columns or 80) - 1), max(4, (size.lines or 24) - 1)


@contextmanager
def _quiet_keyboard() -> Iterator[None]:
    """Keep typed keys from being echoed into the frame."""
    stdin = sys.stdin
    try:
        descriptor = stdin.fileno()
        # In the background, changing the terminal would stop this process.
        ours = stdin.isatty() and os.tcgetpgrp(descriptor) == os.getpgrp()
        before = termios.tcgetattr(descriptor) if ours else None
    except (OSError, ValueError, AttributeError, termios.error):
        before = None
    if before is None:
        yield
        return
    silent = list(before)
    silent[3] &= ~termios.ECHO
    try:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSANOW, silent)
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSANOW, before)
