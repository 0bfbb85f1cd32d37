"""The line that tells how far the measurements are, and about how long the rest takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from benchmarks.registry import Measurement
from fedbed.units import format_duration

# Seldom: drawing takes the core that is being measured.
DRAWINGS_PER_SECOND = 1.0


class Line:
    """What is measured now, drawn anew each second on a terminal; a line for each elsewhere."""

    def __init__(self, chosen: Sequence[Measurement], quick: bool, console: Console) -> None:
        self._chosen = chosen
        self._quick = quick
        self._console = console
        self._place = 0
        self._began = time.monotonic()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the line on the screen; it is gone afterwards."""
        if not self._console.is_terminal:
            yield
            return
        with Live(
            get_renderable=self._drawn,
            console=self._console,
            refresh_per_second=DRAWINGS_PER_SECOND,
            transient=True,
        ):
            yield

    def start(self, place: int) -> None:
        """The measurement at `place` begins."""
        self._place, self._began = place, time.monotonic()
        if not self._console.is_terminal:
            self._console.print(self._drawn())

    def done(self, failure: str) -> None:
        """It has ended, with an error if `failure` is not empty."""
        took = time.monotonic() - self._began
        how = failure or format_duration(took)
        name = self._chosen[self._place].name
        self._console.print(Text(f"{name}: {how}", style="red" if failure else "green"))

    def _drawn(self) -> Text:
        elapsed = time.monotonic() - self._began
        here = self._chosen[self._place]
        rest = left(self._chosen[self._place :], self._quick, elapsed)
        return Text(
            f"[{self._place + 1}/{len(self._chosen)}] {here.name} ... "
            f"about {format_duration(max(1.0, rest))} left in all"
        )


def left(rest: Sequence[Measurement], quick: bool, elapsed: float) -> float:
    """Return seconds that are left, about: `rest[0]` runs since `elapsed` seconds."""
    if not rest:
        return 0.0
    here = max(0.0, rest[0].seconds(quick) - elapsed)
    return here + sum(one.seconds(quick) for one in rest[1:])
