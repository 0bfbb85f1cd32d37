"""`fedbed chaos`: carry out fault scenarios on a testbed of local processes, and report."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from fedbed.chaos import campaign as campaigns
from fedbed.chaos import drawing, report, scenario
from fedbed.chaos.campaign import Campaign, Observer
from fedbed.chaos.local import LocalGround
from fedbed.chaos.plan import Trial
from fedbed.chaos.scenario import Scenario
from fedbed.chaos.trial import Outcome
from fedbed.cli import results
from fedbed.cli.signals import signals_as_interrupt
from fedbed.client import unwritable
from fedbed.errors import Interrupted, RunFailed, UsageError
from fedbed.units import format_duration


def chaos(args: argparse.Namespace) -> int:
    """Carry out what `args.scenarios` name; returns the exit code. RunFailed if one broke."""
    wanted = [scenario.load(path) for path in args.scenarios]
    if args.only and len(wanted) > 1:
        raise UsageError("--only is for one scenario; name just that one")
    stream = sys.stderr if args.json else sys.stdout
    results.prepare(args.output)
    done: list[tuple[Campaign, Path]] = []
    with signals_as_interrupt():
        for each in wanted:
            seed = each.seed if args.seed is None else args.seed
            folder = args.output / f"{time.strftime('%Y%m%d-%H%M%S')}-chaos-{each.name}"
            campaign = _carry_out(each, seed, args.only, folder, args.plain, stream)
            done.append((campaign, folder))
            if not args.json:
                _show(campaign, folder, Console())
    if args.json:
        shown = [{"folder": str(folder), **report.data(campaign)} for campaign, folder in done]
        print(json.dumps(shown if len(shown) > 1 else shown[0], indent=2))
    for campaign, folder in done:
        for name, broken in campaign.broken():
            raise RunFailed(
                f"scenario {campaign.scenario.name!r}, {name}: {broken} (logs: {folder / 'broken'})"
            )
    return 0


def _carry_out(
    wanted: Scenario, seed: int, only: list[str], folder: Path, plain: bool, stream: TextIO
) -> Campaign:
    """Carry out one scenario and write its files; what there is of it after Ctrl-C too."""
    campaign: Campaign | None = None
    stream.write(f"{wanted.name}: {wanted.experiment.federation.real_nodes} nodes, seed {seed}\n")
    stream.flush()
    try:
        with _observer(plain, stream) as observer:
            ground, kept = LocalGround(wanted), folder / "broken"
            trials = campaigns.carry_out(ground, wanted, seed, only, observer, kept)
            with closing(trials):  # or Ctrl-C between two trials would leave the ground open
                for campaign in trials:
                    _write(campaign, folder)
    except KeyboardInterrupt:
        found = "nothing was found out" if campaign is None else f"what there is lies in {folder}"
        raise Interrupted(f"interrupted; {found}") from None
    assert campaign is not None
    return campaign


def _write(campaign: Campaign, folder: Path) -> None:
    """Write the files anew after each trial: a long set may be cut short."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "chaos.json").write_text(json.dumps(report.data(campaign), indent=1) + "\n")
        (folder / "chaos.html").write_text(drawing.page(campaign), encoding="utf-8")
    except OSError as error:
        raise unwritable(folder, error) from error


class _Lines(Observer):
    """One line for each trial; on a terminal also a bar with the time left."""

    def __init__(self, console: Console, bar: Progress | None) -> None:
        self._console = console
        self._bar = bar
        self._task: TaskID | None = None
        self._left_s: float | None = None
        self._since = time.monotonic()

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def begins(self, trial: Trial, number: int, total: int, left_s: float | None) -> None:
        """Move the bar on."""
        self._left_s, self._since = left_s, time.monotonic()
        if self._bar is not None:
            if self._task is None:
                self._task = self._bar.add_task("", total=total, left="")
            words = str(trial.strikes[0]) if len(trial.strikes) == 1 else trial.name
            self._bar.update(self._task, completed=number - 1, description=words)

    def step(self) -> None:
        """Count the time down."""
        if self._bar is not None and self._task is not None and self._left_s is not None:
            left = max(1.0, self._left_s - (time.monotonic() - self._since))
            self._bar.update(self._task, left=f"about {format_duration(float(round(left)))} left")

    def ended(self, outcome: Outcome, number: int, total: int) -> None:
        """Print what became of a trial."""
        words = [f"{number} of {total}: {_story(outcome)}"]
        words.append(f"{outcome.facts.state} after {format_duration(outcome.seconds)}")
        words += [f"BROKEN {broken}" for broken in outcome.broken]
        self.note(", ".join(words))


@contextmanager
def _observer(plain: bool, stream: TextIO) -> Iterator[Observer]:
    console = Console(file=stream, highlight=False)
    if plain or not console.is_terminal:
        yield _Lines(console, None)
        return
    columns = [TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}")]
    with Progress(*columns, console=console, transient=True) as bar:
        yield _Lines(console, bar)


def _story(outcome: Outcome) -> str:
    if len(outcome.trial.strikes) != 1:
        return f"{outcome.trial.name}, {len(outcome.trial.strikes)} faults"
    (struck,) = outcome.struck
    back = struck.back_after_s
    return str(struck.strike) + ("" if not back else f", back after {format_duration(back)}")


def _show(campaign: Campaign, folder: Path, console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bright_black")
    for title in ("fault", "struck", "back after", "cost", "accuracy", "model"):
        table.add_column(title, justify="left" if title in ("fault", "model") else "right")
    for outcome in campaign.outcomes:
        cost = report.cost_s(outcome, campaign)
        points = report.cost_points(outcome, campaign)
        model = "same" if report.is_same_model(outcome, campaign) else "other"
        for place, struck in enumerate(outcome.struck):
            first = place == 0
            table.add_row(
                str(struck.strike),
                _seconds(struck.struck_s),
                _seconds(struck.back_after_s),
                ("failed" if cost is None else f"{cost:+.1f} s") if first else "",
                ("" if points is None else f"{0.0 - points:+.2f} points") if first else "",
                (model if outcome.facts.model_sha256 else "none") if first else "",
            )
    console.print()
    console.print(table)
    console.print()
    lines = [f"{report.headline(campaign)}, {format_duration(campaign.wall_s)} in all"]
    broken = campaign.broken()
    lines += [f"BROKEN   {name}: {what}" for name, what in broken] or ["every invariant held"]
    lines.append(f"report   {folder / 'chaos.html'} (figures: {folder / 'chaos.json'})")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"
