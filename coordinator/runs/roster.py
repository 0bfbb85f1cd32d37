"""Which node plays which partition of a run. Pure.

A partition keeps its node for the run; a node that left for good frees it for a newcomer. To
Flower a participant is its partition number plus one: the same in every repetition of the run.
Where several partitions share a node they are virtual nodes, and take turns there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fedbed.units import format_count


@dataclass(frozen=True)
class Candidate:
    """A node as the scheduler sees it."""

    id: str
    name: str
    labels: Mapping[str, str]
    live: bool
    drained: bool
    busy_with: str | None
    """Another run that it takes part in."""
    lacks: str = ""
    """What this run needs and the node doesn't have; empty if nothing."""
    set_aside: str = ""
    """Why it is drained, if the coordinator did that."""


@dataclass(frozen=True)
class Need:
    """What a run asks of its (real) nodes."""

    nodes: int
    min_nodes: int
    labels: Mapping[str, str]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """Nodes in order of partition, or too few, with an explanation."""

    nodes: tuple[str, ...]
    explanation: str
    blocked_by_runs: bool
    """Whether waiting for other runs would be enough: then the wait is not limited."""


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts node-2 before node-10."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def choose(need: Need, candidates: Iterable[Candidate]) -> Choice:
    """Choose up to `need.nodes` nodes by name, or explain what is missing."""
    known = list(candidates)
    fitting = _fitting(need, known)
    able = [c for c in fitting if not _unfit(c)]
    free = [c for c in able if not c.busy_with]
    if len(free) >= need.min_nodes:
        chosen = tuple(c.id for c in free[: need.nodes])
        return Choice(chosen, f"{len(chosen)} nodes", False)
    obstacles = [f"{c.name} {_obstacle(c)}" for c in fitting if _obstacle(c)]
    ready = ", ".join(c.name for c in free) or "none"
    wanted = "".join(f", {k}={v}" for k, v in need.labels.items())
    text = f"needs {need.min_nodes} nodes{wanted}; ready: {ready}"
    if obstacles:
        text += "; " + "; ".join(obstacles[:8])
    strangers = sorted(set(need.names) - {c.name for c in known}, key=natural)
    if strangers:
        text += f"; never seen: {', '.join(strangers[:8])}"
    return Choice((), text, len(able) >= need.min_nodes)


def eligible(need: Need, candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return whom a run may choose, at once or when other runs have ended, by name."""
    return [c for c in _fitting(need, candidates) if not _unfit(c)]


def seat(nodes: Sequence[str], partitions: int) -> dict[int, str]:
    """Give each partition a node: in turn, until all have one."""
    return {partition: nodes[partition % len(nodes)] for partition in range(partitions)}


def vacancies(
    partitions: int, roster: Mapping[int, str], gone: Iterable[str]
) -> list[tuple[int, ...]]:
    """Return what newcomers may take, one each: a partition that was never filled, or all those of
    a node that left for good.
    """
    left = set(gone)
    found: dict[str | int, tuple[int, ...]] = {}
    for partition in range(partitions):
        node = roster.get(partition)
        if node is None or node in left:
            place = partition if node is None else node
            found[place] = (*found.get(place, ()), partition)
    return list(found.values())


def crowd(partitions: int, nodes: int) -> str:
    """Say how many take part: '4 nodes', '100 virtual nodes on 4 agents'."""
    if partitions > nodes:
        return f"{partitions} virtual nodes on {format_count(nodes, 'agent')}"
    return format_count(nodes, "node")


def alias(node: str, partition: int, virtual: bool) -> str:
    """Return a participant's name: its node's, and if that is shared, which of its it is."""
    return f"{node}/{partition}" if virtual else node


def _fitting(need: Need, candidates: Iterable[Candidate]) -> list[Candidate]:
    return sorted((c for c in candidates if _fits(need, c)), key=lambda c: natural(c.name))


def _fits(need: Need, candidate: Candidate) -> bool:
    if need.names and candidate.name not in need.names:
        return False
    return all(candidate.labels.get(key) == value for key, value in need.labels.items())


def _obstacle(candidate: Candidate) -> str:
    busy = f"is busy with run {candidate.busy_with}" if candidate.busy_with else ""
    return _unfit(candidate) or busy


def _unfit(candidate: Candidate) -> str:
    if not candidate.live:
        return "is offline"
    if candidate.drained:
        return f"is {candidate.set_aside or 'drained'}"
    return candidate.lacks
