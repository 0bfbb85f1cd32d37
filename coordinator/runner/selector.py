"""Chooses whom a round asks: puts the question to a selection, and tells watchers the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coordinator.runner.channel import Channel
from coordinator.runner.exchanges import Participant
from coordinator.runner.grid import EdgeGrid
from coordinator.runner.records import Records
from fedbed.errors import NodesMissing
from fedbed.experiment import Experiment
from fedbed.selection import Choice, Selection, Situation, build

_NAMED = 6
"""Events name up to so many nodes, and count others."""


class Selector:
    """One run's selection with what it needs to know."""

    def __init__(
        self,
        selection: Selection,
        experiment: Experiment,
        grid: EdgeGrid,
        channel: Channel,
        records: Records,
        sizes: Mapping[int, int],
        seed: int,
    ) -> None:
        federation = experiment.federation
        self.name = federation.selection.name
        self.args = dict(federation.selection.args)
        self._selection = selection
        self._share = federation.asked_fraction
        self._rounds = federation.rounds
        self._deadline_s = federation.deadline
        self._grid = grid
        self._channel = channel
        self._sizes = sizes
        self._seed = seed
        self._records = records

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        grid: EdgeGrid,
        channel: Channel,
        records: Records,
        sizes: Mapping[int, int],
        seed: int,
    ) -> Selector | None:
        """Return the experiment's selector; None where the strategy chooses."""
        spec = experiment.federation.selection
        selection = build(spec.name, spec.args)
        if selection is None:
            return None
        return cls(selection, experiment, grid, channel, records, sizes, seed)

    def check(self) -> None:
        """Raise NodesMissing if the selection would choose nobody of the run's nodes."""
        self._choose(1)

    def choose(self, number: int, history: Sequence[Mapping[str, Any]]) -> Choice:
        """Choose for a round; raises NodesMissing if nobody is chosen though all are there."""
        self._records.read(history)
        choice, nodes = self._choose(number)
        if len(choice.partitions) < len(nodes):
            names = {node.partition: node.name for node in nodes}
            asked = f"{len(choice.partitions)} of {len(nodes)} nodes"
            text = f"round {number}: {self.name} asks {asked}: {told(choice, names)}"
            self._channel.publish("event", text)
        return choice

    def _choose(self, number: int) -> tuple[Choice, list[Participant]]:
        nodes = self._grid.available()
        choice = self._situated(number, nodes)
        if not choice.partitions:
            # Those that it would choose may be away for a moment.
            nodes = self._grid.available(everybody=True)
            choice = self._situated(number, nodes)
        if not choice.partitions:
            raise NodesMissing(f"selection '{self.name}' chooses nobody: {choice.nobody}")
        return choice, nodes

    def _situated(self, number: int, nodes: Sequence[Participant]) -> Choice:
        situation = Situation(
            round=number,
            rounds=self._rounds,
            candidates=self._records.candidates(nodes, self._sizes),
            share=self._share,
            deadline_s=self._deadline_s,
            notes=self._records.notes(),
            seed=self._seed,
        )
        return self._selection.choose(situation)


def described(choice: Choice) -> dict[str, Any]:
    """Return a choice for the history, JSON-ready."""
    because = [[why, list(partitions)] for why, partitions in choice.because]
    return {"because": because, "note": dict(choice.note)}


def told(choice: Choice, names: Mapping[int, str]) -> str:
    """Say whom it asks and why: 'pi-1, pi-4 (drawn at random)'; of many, how many."""
    groups = []
    for why, partitions in choice.because:
        few = len(partitions) <= _NAMED
        who = ", ".join(names[p] for p in partitions) if few else str(len(partitions))
        groups.append(f"{who} ({why})")
    return "; ".join(groups)
