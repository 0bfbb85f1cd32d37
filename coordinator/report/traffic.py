"""The sections on rounds: who took part, where the time went, what went over the link."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from coordinator.report import participation, phases, round_plots
from coordinator.report.curves import Plot
from coordinator.report.summary import Fact
from fedbed.reporting import wording
from fedbed.reporting.reading import (
    Row,
    count,
    mapping,
    node_names,
    number,
    partition_of,
    rounds,
    rows,
    text,
)
from fedbed.reporting.wording import Shown


@dataclass
class Absence:
    """A round in which nodes that were asked did not take part."""

    round: int
    there: str
    closed: str
    missing: list[tuple[str, str]]
    """(node, reason)"""


@dataclass
class Rounds:
    """Participation, time and bytes."""

    everyone: str = ""
    """One sentence that replaces the drawing where nobody was missing."""
    participation: Plot | None = None
    blanks: bool = False
    """Whether some nodes were not asked in some round."""
    late: bool = False
    """Whether somebody was too late in some round."""
    lost: bool = False
    """Whether somebody was missing for another reason."""
    choices: list[tuple[str, str]] = field(default_factory=list)
    """(round, whom it asked and why), where a selection chose."""
    absences: list[Absence] = field(default_factory=list)
    time: Plot | None = None
    gantt: Plot | None = None
    legend: list[tuple[str, str, Shown | None]] = field(default_factory=list)
    """(colour, phase, median seconds)"""
    time_facts: list[Fact] = field(default_factory=list)
    bytes: Plot | None = None
    byte_facts: list[Fact] = field(default_factory=list)


def build(result: Row) -> Rounds:
    """Gather what the rounds' rows tell."""
    parts = phases.all_parts(result)
    typical = phases.typical(result)
    states = {cell.state for cell in participation.cells(result)}
    everyone, absences = _everyone(result), _absences(result)
    return Rounds(
        everyone=everyone,
        participation=None if everyone else _participation(result),
        blanks=_blanks(result),
        late="late" in states,
        lost="missing" in states,
        choices=participation.reasons(result),
        absences=absences,
        time=round_plots.time_by_round(parts) if parts else None,
        gantt=round_plots.gantt(typical) if typical else None,
        legend=[
            (span.phase, phases.TITLES[span.phase], wording.seconds(span.seconds))
            for span in phases.medians(parts)
        ],
        time_facts=_time_facts(result),
        bytes=round_plots.traffic(result),
        byte_facts=_byte_facts(result),
    )


def _everyone(result: Row) -> str:
    """Say that the same nodes took part in every round, or nothing where they did not."""
    history = rounds(result)
    teams = {frozenset(partition_of(node) for node in rows(row.get("nodes"))) for _, row in history}
    counts = {count(row.get("participants")) for _, row in history}
    missing = any(mapping(row.get("missing")) or _short(row) for _, row in history)
    if missing or len(teams) != 1 or len(counts) != 1:
        return ""
    nodes = counts.pop() or len(teams.pop())
    if not nodes:
        return ""
    which = "the round" if len(history) == 1 else f"each of the {len(history)} rounds"
    if nodes == 1:
        return f"One node took part in {which}."
    return f"The same {nodes} nodes took part in {which}; none was missing."


def _short(row: Row) -> bool:
    there, asked = count(row.get("participants")), count(row.get("asked"))
    return there is not None and asked is not None and there < asked


def _participation(result: Row) -> Plot | None:
    history = rounds(result)
    if not any(rows(row.get("nodes")) or mapping(row.get("missing")) for _, row in history):
        return None
    return participation.draw(result)


def _blanks(result: Row) -> bool:
    everyone = set(node_names(result))
    for _, row in rounds(result):
        there = {partition_of(node) for node in rows(row.get("nodes"))}
        if everyone - there - {str(key) for key in mapping(row.get("missing"))}:
            return True
    return False


def _absences(result: Row) -> list[Absence]:
    names = node_names(result)
    found = []
    for index, row in rounds(result):
        missing = [
            (names.get(str(key), f"node {key}"), text(why) or "no reason given")
            for key, why in mapping(row.get("missing")).items()
        ]
        if missing:
            there, asked = count(row.get("participants")), count(row.get("asked"))
            of = f" of {asked}" if asked is not None else ""
            share = f"{there}{of}" if there is not None else ""
            found.append(Absence(index, share, text(row.get("reason")), missing))
    return found


def _time_facts(result: Row) -> list[Fact]:
    overhead = mapping(result.get("overhead_s"))
    limits = [
        limit
        for _, row in rounds(result)
        if (limit := number(row.get("limit_s"))) is not None and limit > 0
    ]
    paced = len(set(limits)) > 1
    twin_s = result.get("twin_s") if rows(result.get("twin")) else None
    reused = text(result.get("twin_reused_of"))
    return _present(
        [
            ("whole run", wording.seconds(result.get("wall_s"))),
            ("federated rounds", wording.seconds(result.get("federated_s"))),
            (
                f"centralised twin, taken over from run {reused}" if reused else "centralised twin",
                wording.seconds(twin_s),
            ),
            ("time limit of a round, median", wording.seconds(median(limits)) if paced else None),
            ("overhead per round, median", wording.seconds(overhead.get("median"))),
            ("overhead per round, most", wording.seconds(overhead.get("max"))),
        ]
    )


def _byte_facts(result: Row) -> list[Fact]:
    codec = mapping(result.get("codec"))
    found = []
    for way, label in (("down", "down to the nodes"), ("up", "up from the nodes")):
        profile = text(codec.get(way))
        named = f"{label}, by profile {profile}" if profile else label
        found.append((named, wording.size(result.get(f"bytes_{way}"))))
    return _present(found)


def _present(facts: list[tuple[str, Shown | None]]) -> list[Fact]:
    return [(label, shown) for label, shown in facts if shown]
