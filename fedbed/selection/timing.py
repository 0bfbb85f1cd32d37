"""How long a node will take, from what it took: medians of its last rounds, or its profile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from fedbed.selection.facts import Candidate, Part


@dataclass(frozen=True)
class Times:
    """Seconds that a node's part is expected to take."""

    download_s: float
    compute_s: float
    upload_s: float

    @property
    def total_s(self) -> float:
        """All of it."""
        return self.download_s + self.compute_s + self.upload_s


def measured(parts: Sequence[Part], since: int) -> Times | None:
    """Return what a node's parts from round `since` on let expect; None without a measurement.

    Each phase is the median of the parts that came; a node's first part counts as `warm` says. A
    part that was late counts as long as its round was open, at least: how much longer it would have
    taken nobody has seen. It stands until the node delivers again.
    """
    recent = [part for part in warm(parts) if part.round >= since and (part.delivered or part.late)]
    if not recent:
        return None
    came = [part for part in recent if part.delivered]
    times = Times(0.0, 0.0, 0.0)
    if came:
        times = Times(
            median(part.download_s for part in came),
            median(_compute_s(part) for part in came),
            median(part.upload_s for part in came),
        )
    last_came = came[-1].round if came else 0
    late_s = max((part.seconds for part in recent if part.round > last_came), default=0.0)
    more_s = max(0.0, late_s - times.total_s)
    return Times(times.download_s, times.compute_s + more_s, times.upload_s)


def warm(parts: Sequence[Part]) -> Sequence[Part]:
    """Leave out a node's first part, if it delivered since.

    There the worker loads libraries and data, which takes many times as long as a round of its own.
    """
    return parts[1:] if any(part.delivered for part in parts[1:]) else parts


def expected(candidates: Iterable[Candidate], since: int) -> dict[int, Times | None]:
    """Return what each candidate is expected to take, by partition.

    A node without a measurement since that round is put beside those that have one: computing in
    proportion to its samples and against its cores, transfers as the median. None for everybody
    where nobody has one.
    """
    everybody = list(candidates)
    known = {c.partition: measured(c.parts, since) for c in everybody}
    pairs = [(c, times) for c in everybody if (times := known[c.partition]) is not None]
    if not pairs:
        return known
    download_s = median(times.download_s for _, times in pairs)
    upload_s = median(times.upload_s for _, times in pairs)
    pace = median(times.compute_s / work(candidate) for candidate, times in pairs)
    return {
        c.partition: known[c.partition] or Times(download_s, pace * work(c), upload_s)
        for c in everybody
    }


def work(candidate: Candidate) -> float:
    """Samples per core: how much a node has to do beside others, as far as its profile tells."""
    return max(1, candidate.samples) / max(1, candidate.cpus)


def _compute_s(part: Part) -> float:
    return max(0.0, part.seconds - part.download_s - part.upload_s)
