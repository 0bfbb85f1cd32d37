"""How long a round may take, from what its nodes took before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from coordinator.runner.records import Records
from fedbed.experiment import Federation
from fedbed.experiment import Pace as Spec
from fedbed.selection.timing import measured


def limit_s(spec: Spec, expected: Sequence[float | None], longest_s: float) -> float:
    """Return a round's time limit in seconds; pure.

    expected: what each asked node is expected to take, None where nobody knows. The limit is
    `factor` times the time of the node with which `share` of them are through; no less than
    `least`, no more than `longest_s`, which also stands as long as that node isn't known.
    """
    known = sorted(seconds for seconds in expected if seconds is not None)
    count = math.ceil(spec.share * len(expected) - 1e-9)
    if spec.factor is None or not 0 < count <= len(known):
        return longest_s
    return min(longest_s, max(spec.least, spec.factor * known[count - 1]))


class Pace:
    """The time limits of one run's rounds."""

    def __init__(self, spec: Spec, longest_s: float, records: Records) -> None:
        self._spec = spec
        self._longest_s = longest_s
        self._records = records

    @classmethod
    def of(cls, federation: Federation, records: Records) -> Pace | None:
        """Return the pace that an experiment wants; None where `deadline` alone counts."""
        if federation.pace.factor is None:
            return None
        return cls(federation.pace, federation.deadline, records)

    def limit_s(
        self, number: int, partitions: Iterable[int], history: Sequence[Mapping[str, Any]]
    ) -> float:
        """Return the limit of a round that asks these partitions."""
        self._records.read(history)
        since = number - self._spec.memory
        times = [measured(self._records.parts(p), since) for p in partitions]
        expected = [None if taken is None else taken.total_s for taken in times]
        return limit_s(self._spec, expected, self._longest_s)
