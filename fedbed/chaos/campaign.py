"""All trials of a scenario on one ground: first a run without a fault, then each with its own."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fedbed.chaos import plan as planning
from fedbed.chaos.ground import Ground
from fedbed.chaos.invariants import Broken
from fedbed.chaos.plan import Trial, Yardstick
from fedbed.chaos.scenario import Scenario
from fedbed.chaos.trial import Outcome, run_census, run_trial
from fedbed.errors import FedbedError, RequirementMissing, RunFailed

UNDISTURBED = Trial("undisturbed", ())
ALL_BACK = "all are back"


@dataclass
class Campaign:
    """A scenario that was carried out, as far as it was."""

    scenario: Scenario
    seed: int
    undisturbed: Outcome | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    at_the_end: list[Broken] = field(default_factory=list)
    wall_s: float = 0.0

    def broken(self) -> list[tuple[str, Broken]]:
        """Return what didn't hold, each with the trial's name."""
        everything = [self.undisturbed, *self.outcomes] if self.undisturbed else self.outcomes
        found = [(o.trial.name, broken) for o in everything if o for broken in o.broken]
        return found + [("the end", broken) for broken in self.at_the_end]


class Observer:
    """Is told how it goes; this one doesn't mind."""

    def begins(self, trial: Trial, number: int, total: int, left_s: float | None) -> None:
        """A trial begins, `number` of `total`; the rest takes `left_s`, or nobody knows."""

    def step(self) -> None:
        """Time passes; called several times a second while a run goes on."""

    def ended(self, outcome: Outcome, number: int, total: int) -> None:
        """A trial is over."""

    def note(self, text: str) -> None:
        """Something worth a line."""


def carry_out(
    ground: Ground,
    scenario: Scenario,
    seed: int,
    only: Sequence[str] = (),
    observer: Observer | None = None,
    keep: Path | None = None,
) -> Generator[Campaign, None, None]:
    """Yield the campaign after each trial; the last one is complete.

    keep: where logs of runs go that broke an invariant. Raises UsageError for an unknown fault in
    `only`, RequirementMissing for a fault that can't be done on this ground, RunFailed if not even
    the undisturbed run holds.
    """
    observer = observer or Observer()
    campaign = Campaign(scenario, seed)
    began = time.monotonic()
    _refuse(ground, planning.plan(scenario, seed, Yardstick(1.0, 2.0, 3.0), only))
    with _opened(ground, campaign):
        trials = _prepare(ground, campaign, only, observer, keep)
        for number, trial in enumerate(trials, 1):
            left_s = _left(campaign.outcomes, trials)
            observer.begins(trial, number, len(trials), left_s)
            outcome = _one(ground, campaign, trial, observer, keep)
            campaign.outcomes.append(outcome)
            campaign.wall_s = time.monotonic() - began
            observer.ended(outcome, number, len(trials))
            yield campaign
            if any(broken.invariant == ALL_BACK for broken in outcome.broken):
                observer.note("not all are back: there is no going on")
                break
    campaign.wall_s = time.monotonic() - began
    yield campaign


def _refuse(ground: Ground, trials: Sequence[Trial]) -> None:
    asked = set()
    for strike in (strike for trial in trials for strike in trial.strikes):
        kind = (strike.kind, type(strike.moment))
        if kind in asked:
            continue
        asked.add(kind)
        why = ground.refusal(strike)
        if why:
            raise RequirementMissing(f"{strike.name}: {why}")


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no second Ctrl-C break the clearing up off: mounts and folders would stay."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _opened(ground: Ground, campaign: Campaign) -> Iterator[None]:
    try:
        ground.open()
        yield
    finally:
        with _undisturbed():
            left = ground.close()
        campaign.at_the_end += [Broken("nothing is left behind", what) for what in left]


def _prepare(
    ground: Ground, campaign: Campaign, only: Sequence[str], observer: Observer, keep: Path | None
) -> list[Trial]:
    """Do the undisturbed run, which warms everything up and then once more as the measure."""
    scenario = campaign.scenario
    observer.note("first without a fault, twice: the second run is the measure")
    for _ in range(2):
        run = run_trial(ground, scenario, UNDISTURBED, step=observer.step)
        campaign.undisturbed = run
        if run.broken:
            _keep(ground, run, keep)
            raise RunFailed(f"not even an undisturbed run holds: {run.broken[0]}")
    assert campaign.undisturbed is not None
    census: planning.Census = {}
    if planning.needs_census(scenario):
        observer.note("once more, to count system calls")
        census = run_census(ground, scenario)
    return planning.plan(scenario, campaign.seed, campaign.undisturbed.yardstick(census), only)


def _one(
    ground: Ground, campaign: Campaign, trial: Trial, observer: Observer, keep: Path | None
) -> Outcome:
    """Do one trial; a fault that the run has escaped is tried earlier."""
    assert campaign.undisturbed is not None
    facts = campaign.undisturbed.facts
    while True:
        outcome = run_trial(ground, campaign.scenario, trial, facts, observer.step)
        outcome.broken = [*outcome.broken, *_mend(ground)]
        if outcome.broken:
            _keep(ground, outcome, keep)
            return outcome
        if not outcome.missed:
            return outcome
        sooner = [
            planning.earlier(s) if late.struck_s is None else s
            for s, late in zip(trial.strikes, outcome.struck, strict=True)
        ]
        if None in sooner:
            outcome.broken = [Broken("the fault strikes", "the run was over before its moment")]
            return outcome
        observer.note(f"{trial.name}: the run was over before its moment; once more, earlier")
        trial = replace(trial, strikes=tuple(s for s in sooner if s is not None))


def _mend(ground: Ground) -> list[Broken]:
    """Start again who has ended by itself, and wait until all nodes are ready."""
    fallen = [Broken("nobody dies by itself", str(victim)) for victim in ground.fallen()]
    try:
        ground.await_ready()
    except FedbedError as error:
        return [*fallen, Broken(ALL_BACK, str(error))]
    return fallen


def _keep(ground: Ground, outcome: Outcome, keep: Path | None) -> None:
    if keep is not None:
        with contextlib.suppress(OSError):
            ground.keep(outcome.run_id, keep / outcome.trial.name)


def _left(outcomes: Sequence[Outcome], trials: Sequence[Trial]) -> float | None:
    """Estimate the rest from the trials so far, and from how long each fault lasts."""
    if not outcomes:
        return None
    spent = sum(outcome.seconds for outcome in outcomes)
    lasting = [sum(strike.lasts_s for strike in trial.strikes) for trial in trials]
    done = len(outcomes)
    bare = max(0.5, (spent - sum(lasting[:done])) / done)
    return sum(bare + seconds for seconds in lasting[done:])
