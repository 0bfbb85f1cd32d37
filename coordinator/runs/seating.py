"""Which run each node takes part in, and whom a run may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coordinator.fleet.fleet import Fleet, Member
from coordinator.runs.roster import Candidate, Need, choose, vacancies
from coordinator.runs.spec import RunSpec


@dataclass(frozen=True)
class Newcomer:
    """A node that takes over one or more partitions of a run."""

    node: Member
    partitions: tuple[int, ...]

    def describe(self) -> str:
        """Say what it takes part as."""
        more = len(self.partitions) - 1
        which = f"partition {self.partitions[0]}" + (f" and {more} more" if more else "")
        return f"{self.node.name} takes part as {which}"


class Seating:
    """A node takes part in one run at a time; the runs' rosters say as what."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._run_by_node: dict[str, str] = {}

    def run_of(self, node: str) -> str | None:
        """Return the run that a node takes part in."""
        return self._run_by_node.get(node)

    def take(self, run: str, roster: Mapping[int, str]) -> None:
        """The nodes of a roster take part in a run from now on."""
        self._run_by_node.update(dict.fromkeys(roster.values(), run))

    def release(self, run: str) -> None:
        """A run is over: its nodes are free for others."""
        self._run_by_node = {n: r for n, r in self._run_by_node.items() if r != run}

    def candidates(self, spec: RunSpec) -> list[Candidate]:
        """Return all nodes as they are of use to such a run."""
        return [
            Candidate(
                id=member.id,
                name=member.name,
                labels=member.labels,
                live=member.live,
                drained=member.drained,
                busy_with=self.run_of(member.id),
                lacks=spec.lacks(member),
                set_aside=member.set_aside,
            )
            for member in self._fleet
        ]

    def fill(self, run: str, spec: RunSpec, roster: dict[int, str]) -> list[Newcomer]:
        """Give the partitions of nodes that left, or never were, to nodes that are free.

        roster: node by partition; newcomers are entered.
        """
        gone = [node for node in set(roster.values()) if self._has_left(node)]
        free = vacancies(spec.partitions, roster, gone)
        if not free:
            return []
        need = spec.need()
        wanted = Need(len(free), 1, need.labels, need.names)
        newcomers = []
        for partitions, node in zip(
            free, choose(wanted, self.candidates(spec)).nodes, strict=False
        ):
            self._run_by_node.pop(roster.get(partitions[0], ""), None)
            self._run_by_node[node] = run
            roster.update(dict.fromkeys(partitions, node))
            newcomers.append(Newcomer(self._fleet.get(node), partitions))
        return newcomers

    def _has_left(self, node: str) -> bool:
        return not self._fleet.has(node) or self._fleet.get(node).contact.left
