"""`fedcs`: as many nodes as can deliver before a deadline (Nishio & Yonetani, arXiv 1804.08333)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from fedbed.experiment.base import PositiveDuration
from fedbed.selection.base import Selection
from fedbed.selection.facts import Candidate, Choice, Situation, draw
from fedbed.selection.timing import Times, expected
from fedbed.units import format_duration


class FedCS(Selection):
    """As many nodes as are expected to deliver in time (Nishio & Yonetani, arXiv 1804.08333).

    As in the paper, `fraction` of the nodes are drawn first, and among these a greedy choice adds
    the node that prolongs the round least, until the deadline is full: nodes compute side by side,
    and upload one after the other, as over one link to the coordinator. Where the paper asks nodes
    what they can do, their former rounds tell it here. As long as nobody has been measured, all
    that were drawn are asked.
    """

    deadline: PositiveDuration | None = Field(
        default=None,
        description="Time within which all asked nodes should have delivered; null: "
        "`federation.deadline`.",
    )
    memory: int = Field(
        default=20,
        ge=1,
        le=100_000,
        description="How many rounds a measurement counts; a node without one is estimated by its "
        "samples and cores, beside the others.",
    )

    def choose(self, situation: Situation) -> Choice:
        """Draw, then pack."""
        limit_s = situation.deadline_s if self.deadline is None else self.deadline
        times = expected(situation.candidates, situation.round - self.memory)
        drawn = set(draw(situation.random(), situation.candidates, situation.wanted()))
        pool = [c for c in situation.candidates if c.partition in drawn]
        known = {p: t for p in drawn if (t := times[p]) is not None}
        if not known:
            return Choice.of(("not measured yet", sorted(drawn)))
        chosen = pack(known, limit_s)
        within = f"expected within {format_duration(limit_s)}"
        return Choice.of((within, chosen), nobody="" if chosen else _too_slow(pool, known, limit_s))


def pack(times: Mapping[int, Times], limit_s: float) -> list[int]:
    """Choose partitions greedily: algorithm 3 of the paper; choosing and averaging take no time.

    Each step takes the node that adds least to the round's length; one that would not fit is
    passed over.
    """
    left = dict(times)
    chosen: list[int] = []
    sent_s, end_s = 0.0, 0.0  # the slowest download so far; then the uploads' end after it
    while left:
        best = min(left, key=lambda p: (_added_s(left[p], sent_s, end_s), p))
        node = left.pop(best)
        slowest_s = max(sent_s, node.download_s)
        finished_s = max(end_s, node.compute_s) + node.upload_s
        if slowest_s + finished_s <= limit_s:
            chosen.append(best)
            sent_s, end_s = slowest_s, finished_s
    return chosen


def _added_s(node: Times, sent_s: float, end_s: float) -> float:
    longer_s = max(0.0, node.download_s - sent_s)
    return longer_s + node.upload_s + max(0.0, node.compute_s - end_s)


def _too_slow(pool: list[Candidate], times: Mapping[int, Times], limit_s: float) -> str:
    fastest = min(pool, key=lambda c: times[c.partition].total_s)
    needs = format_duration(times[fastest.partition].total_s)
    return (
        f"no node is expected to deliver within {format_duration(limit_s)} (the fastest, "
        f"{fastest.name}, needs about {needs}): raise the deadline"
    )
