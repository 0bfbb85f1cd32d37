"""From a scenario and a seed to what happens when, to whom. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from fedbed.chaos import moments
from fedbed.chaos.moments import AtCall, AtRound, AtSeconds, Moment
from fedbed.chaos.scenario import Fault, Kind, Part, Scenario
from fedbed.errors import UsageError
from fedbed.experiment.base import hint

ON_NODES: tuple[Part, ...] = ("agent", "worker")


@dataclass(frozen=True)
class Victim:
    """Somebody of the testbed; `node` counts from 1 and is 0 for what isn't on a node."""

    part: Part
    node: int = 0

    def __str__(self) -> str:
        name = "run's process" if self.part == "run" else self.part
        return f"{name} of node-{self.node}" if self.node else name


@dataclass(frozen=True)
class Strike:
    """One fault, with nothing left to chance."""

    name: str
    kind: Kind
    victim: Victim
    moment: Moment
    lasts_s: float = 0.0
    share: float = 0.0
    how: str = ""
    delay_s: float = 0.0
    rate_kb: float = 0.0

    def __str__(self) -> str:
        what = self.kind.replace("_", " ")
        of_links = {
            "cut link": f"cut the link of node-{self.victim.node} ({self.how})",
            "slow link": f"slow the link of node-{self.victim.node}",
            "corrupt upload": f"corrupt an upload of node-{self.victim.node}",
            "fill disk": f"fill the disk of the {self.victim}",
            "slow cpu": f"slow the CPU of the {self.victim}",
        }
        lasting = f" for {self.lasts_s:g} s" if self.lasts_s else ""
        return f"{of_links.get(what, f'{what} {self.victim}')}{lasting} {self.moment}"


@dataclass(frozen=True)
class Trial:
    """One run with what befalls it."""

    name: str
    strikes: tuple[Strike, ...]


Census = Mapping[Part, Mapping[str, int]]
"""How often a thread of each part makes each system call in an undisturbed run, at most."""


@dataclass(frozen=True)
class Yardstick:
    """What the undisturbed run was like, in seconds since its submission."""

    trained_from_s: float
    trained_until_s: float
    ended_s: float
    census: Census = field(default_factory=dict)


def needs_census(scenario: Scenario) -> bool:
    """Whether system calls are drawn, so that somebody must count them first."""
    return any(moments.parse(fault.at) == moments.Drawn(of_calls=True) for fault in scenario.faults)


def plan(
    scenario: Scenario, seed: int, yardstick: Yardstick, only: Sequence[str] = ()
) -> list[Trial]:
    """Draw what is random; each fault by itself, so that `only` changes none of the others.

    UsageError if `only` names a fault that the scenario doesn't have.
    """
    titles = [fault.title for fault in scenario.faults]
    for name in only:
        if name not in titles:
            raise UsageError(
                f"--only: scenario {scenario.name!r} has no fault {name!r}"
                f"{hint(name, titles)}; it has: {', '.join(titles)}"
            )
    nodes = scenario.experiment.federation.real_nodes
    drawn: list[tuple[int, Strike]] = []
    for fault in scenario.faults:
        if only and fault.title not in only:
            continue
        for number in range(1, fault.repeat + 1):
            name = fault.title + (f"-{number}" if fault.repeat > 1 else "")
            chance = random.Random(f"{seed}/{fault.title}/{number}")  # nosec B311 # repeatable
            drawn.append((number, _draw(fault, name, chance, nodes, yardstick)))
    # The first of each, then the second: what is cut short has seen something of everything.
    strikes = [strike for _, strike in sorted(drawn, key=lambda entry: entry[0])]
    if scenario.together:
        return [Trial(scenario.name, tuple(strikes))]
    return [Trial(strike.name, (strike,)) for strike in strikes]


def earlier(strike: Strike) -> Strike | None:
    """Return the fault at an earlier moment, for one that the run escaped; None at the first."""
    moment = strike.moment
    if isinstance(moment, AtCall) and moment.number > 1:
        return replace(strike, moment=AtCall(moment.call, moment.number // 2))
    if isinstance(moment, AtRound) and moment.number > 1:
        return replace(strike, moment=AtRound(moment.number - 1))
    if isinstance(moment, AtSeconds) and moment.seconds > 0.1:
        return replace(strike, moment=AtSeconds(moment.seconds / 2))
    return None


def _draw(
    fault: Fault, name: str, chance: random.Random, nodes: int, yardstick: Yardstick
) -> Strike:
    drawn_node = chance.randint(1, nodes)
    node = drawn_node if fault.node == "random" else fault.node
    victim = Victim(fault.victim, node if fault.victim in ON_NODES else 0)
    moment = moments.parse(fault.at)
    if isinstance(moment, moments.Drawn):
        if moment.of_calls:
            moment = _drawn_call(chance, yardstick.census.get(victim.part, {}))
        else:
            moment = _drawn_time(chance, victim.part, yardstick)
    passing = fault.do in ("kill", "restart")
    return Strike(
        name=name,
        kind=fault.do,
        victim=victim,
        moment=moment,
        lasts_s=fault.back_after
        if passing
        else 0.0
        if fault.do == "corrupt_upload"
        else fault.lasts,
        share=fault.share,
        how=fault.how,
        delay_s=fault.delay,
        rate_kb=fault.rate_kb,
    )


def _drawn_time(chance: random.Random, part: Part, yardstick: Yardstick) -> AtSeconds:
    """Draw a time in which the victim lives: a worker only does while its run trains."""
    share = chance.random()
    first, last = 0.0, yardstick.ended_s
    if part == "worker":
        first, last = yardstick.trained_from_s, yardstick.trained_until_s
    return AtSeconds(round(first + share * (last - first), 3))


def _drawn_call(chance: random.Random, counted: Mapping[str, int]) -> AtCall:
    """Draw a call, then which one of it: seldom ones are as likely as frequent ones."""
    calls = [call for call in moments.DRAWN_CALLS if counted.get(call)] or ["fsync"]
    call = chance.choice(calls)
    return AtCall(call, chance.randint(1, max(1, counted.get(call, 1))))


__all__ = [
    "AtCall",
    "AtRound",
    "AtSeconds",
    "Census",
    "Moment",
    "Strike",
    "Trial",
    "Victim",
    "Yardstick",
    "earlier",
    "needs_census",
    "plan",
]
