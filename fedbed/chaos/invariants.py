"""What must hold after every run, whatever has befallen it. Pure: judges what others found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Holdings:
    """What lies about on a testbed after a run."""

    database: str = "ok"
    """What SQLite's integrity_check says."""
    done: Mapping[str, str] = field(default_factory=dict)
    """The run's answered work items, with the sha256 of each answer."""
    open: Sequence[str] = ()
    """Work items of the run that somebody still waits for."""
    spooled: Sequence[str] = ()
    """Updates that nodes still hold."""
    half_written: Sequence[str] = ()
    damaged: Sequence[str] = ()
    """Files whose content isn't what their name says."""
    tracebacks: Sequence[str] = ()
    """One line for each traceback in a log."""


@dataclass(frozen=True)
class Facts:
    """A run that is over, by its own account."""

    state: str
    error: str = ""
    rounds: int = 0
    """How many rounds it had to do."""
    nodes: int = 0
    model_sha256: str = ""
    accuracy: float | None = None
    history: Sequence[Mapping[str, Any]] = ()

    def participants(self) -> list[list[int]]:
        """Return the partitions of each round, in the order of the rounds."""
        return [_partitions(entry) for entry in self.history]


@dataclass(frozen=True)
class Broken:
    """An invariant that doesn't hold, and why."""

    invariant: str
    why: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.why}"


def check(
    facts: Facts,
    holdings: Holdings,
    undisturbed: Facts | None = None,
    expect: Collection[str] = (),
    carried: Mapping[str, str] | None = None,
) -> list[Broken]:
    """Return what doesn't hold.

    carried: trained updates that waited on nodes while the coordinator was away, with their sha256:
    each must have been taken in. With `undisturbed`, what `expect` names is compared too.
    """
    found = [*_run(facts), *_updates(facts, holdings), *_lost(holdings, carried or {})]
    if undisturbed is not None and facts.state == "finished":
        found += _compared(facts, undisturbed, expect)
    if holdings.database != "ok":
        found.append(Broken("database", holdings.database[:200]))
    for invariant, things in (
        ("no half-written file", holdings.half_written),
        ("no damaged file", holdings.damaged),
        ("spools are empty", holdings.spooled),
        ("no traceback in a log", holdings.tracebacks),
    ):
        if things:
            found.append(Broken(invariant, _few(things)))
    return found


def lost(holdings: Holdings, carried: Mapping[str, str]) -> list[str]:
    """Return the updates that waited on nodes and were never taken in, as they were."""
    return sorted(item for item, sha256 in carried.items() if holdings.done.get(item) != sha256)


def _run(facts: Facts) -> list[Broken]:
    if facts.state != "finished":
        return [Broken("the run finishes", f"it {facts.state}: {facts.error or 'without a word'}")]
    numbers = [entry.get("round") for entry in facts.history]
    if numbers != list(range(1, facts.rounds + 1)):
        return [Broken("every round once", f"{facts.rounds} wanted, it did {numbers}")]
    return []


def _updates(facts: Facts, holdings: Holdings) -> list[Broken]:
    if facts.state != "finished":
        return []
    found = []
    for entry in facts.history:
        partitions = _partitions(entry)
        if len(set(partitions)) != len(partitions):
            why = f"round {entry.get('round')} has partitions {partitions}"
            found.append(Broken("no update counts twice", why))
    counted = sum(len(partitions) for partitions in facts.participants())
    if counted != len(holdings.done):
        why = f"{len(holdings.done)} were taken in, {counted} are in the rounds"
        found.append(Broken("every update counts", why))
    if holdings.open:
        found.append(Broken("no work is left open", _few(holdings.open)))
    return found


def _lost(holdings: Holdings, carried: Mapping[str, str]) -> list[Broken]:
    gone = lost(holdings, carried)
    if not gone:
        return []
    why = f"of {len(carried)} that waited on nodes {len(gone)} were not taken in: {_few(gone)}"
    return [Broken("no trained update is lost", why)]


def _compared(facts: Facts, undisturbed: Facts, expect: Collection[str]) -> list[Broken]:
    found = []
    if "same_participants" in expect and facts.participants() != undisturbed.participants():
        pairs = zip(facts.participants(), undisturbed.participants(), strict=False)
        number = next((n for n, (a, b) in enumerate(pairs, 1) if a != b), 0)
        why = f"round {number} went otherwise" if number else "another number of rounds"
        found.append(Broken("same participants", why))
    if "same_model" in expect and facts.model_sha256 != undisturbed.model_sha256:
        why = f"{facts.model_sha256[:12]}, undisturbed {undisturbed.model_sha256[:12]}"
        found.append(Broken("same model", why))
    return found


def _partitions(entry: Mapping[str, Any]) -> list[int]:
    return sorted(int(node["partition"]) for node in entry.get("nodes", ()))


def _few(things: Sequence[str]) -> str:
    more = len(things) - 3
    return "; ".join(things[:3]) + (f"; and {more} more" if more > 0 else "")
