"""Looks at the updates of a round together: which are too long, and which count for too much."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from flwr.app import Message

from coordinator.runner import norms, screen
from coordinator.runner.exchanges import Outgoing
from coordinator.runner.replies import Reply
from coordinator.runner.screen import Complaint
from coordinator.runner.sent import Sent
from fedbed.errors import PayloadError
from fedbed.experiment import Screening as Rules

MEASURED_AT_ONCE = 2
COUNT = "num-examples"


@dataclass
class Findings:
    """What came of a look: by partition, what is refused and what was bounded, with the reason."""

    refused: dict[int, Complaint] = field(default_factory=dict)
    bounded: dict[int, Complaint] = field(default_factory=dict)
    usual_norm: float | None = None
    """The updates' median length, where they were measured and enough of them are there."""


class Screening:
    """One run's rules. Norms are measured in threads as replies come, while others still train.

    samples: the size of each partition, where the run dealt them out. one_by_one: whether updates
    come by themselves, and are compared with the last one of every other node.
    """

    def __init__(self, rules: Rules, samples: Mapping[int, int], one_by_one: bool = False) -> None:
        self._rules = rules
        self._samples = samples
        self._one_by_one = one_by_one
        self._last_norms: dict[int, float] = {}
        """Of updates that weren't refused, where they come one by one."""
        self._last_counts: dict[int, int] = {}
        self._most_usual = 0.0
        """The largest median length of any round so far."""
        self._pool = ThreadPoolExecutor(MEASURED_AT_ONCE, "norms")

    def remember(self, usual_norm: float) -> None:
        """Take in a round's `Findings.usual_norm`; after a restart, of each round before it."""
        self._most_usual = max(self._most_usual, usual_norm)

    def complaint(self, reply: Reply, is_training: bool) -> Complaint | None:
        """Return what is wrong with a reply by itself, None if nothing is."""
        size = self._samples.get(reply.partition) if is_training else None
        return screen.complaint(reply.metrics(), size)

    def measure(self, outgoing: Outgoing, reply: Reply) -> None:
        """Begin to measure an update that has come, if anybody will ask how long it is."""
        if self._rules.norm_limit is None:
            return
        if len(outgoing.messages) < screen.LEAST_UPDATES and not self._one_by_one:
            return
        sent = outgoing.sent[reply.partition]
        outgoing.norms[reply.partition] = self._pool.submit(norms.of_reply, reply, sent)

    def look(self, answers: Mapping[int, Message], outgoing: Outgoing) -> Findings:
        """Compare those answers that have content, by partition; bounds what is to be bounded."""
        findings = Findings()
        here = {p: answer for p, answer in sorted(answers.items()) if answer.has_content()}
        if self._rules.norm_limit is not None and outgoing.norms:
            self._look_at_norms(here, outgoing, self._rules.norm_limit, findings)
        kept = {p: answer for p, answer in here.items() if p not in findings.refused}
        if self._rules.samples_limit is not None and not self._samples:
            counts = {partition: _count(answer) for partition, answer in kept.items()}
            known = {**self._last_counts, **counts}
            _bound_counts(kept, known, self._rules.samples_limit, findings)
            if self._one_by_one:
                self._last_counts.update(counts)
        return findings

    def _look_at_norms(
        self, answers: Mapping[int, Message], outgoing: Outgoing, factor: float, findings: Findings
    ) -> None:
        found = {partition: _norm(outgoing.norms[partition]) for partition in answers}
        wrong = {p: norm for p, norm in found.items() if isinstance(norm, Complaint)}
        findings.refused.update(wrong)
        measured = {p: norm for p, norm in found.items() if not isinstance(norm, Complaint)}
        known = {**self._last_norms, **measured}
        findings.usual_norm = usual = screen.usual(known.values())
        if usual is None:
            if self._one_by_one:
                self._last_norms = known
            return
        self.remember(usual)
        further = screen.allowance(known.keys(), self._samples)
        for partition, norm in measured.items():
            limit = factor * usual * further[partition]
            of_run = factor * self._most_usual * further[partition]
            refuses = self._rules.over == "refuse" and norm > of_run
            if self._one_by_one and not refuses:
                self._last_norms[partition] = min(norm, limit)
            if refuses:
                text = f"its update has a norm of {norm:.4g}, this run's limit is {of_run:.4g}"
                findings.refused[partition] = Complaint("norm", text)
            elif norm > limit:
                text = f"a long update was shortened: from a norm of {norm:.4g} to {limit:.4g}"
                findings.bounded[partition] = Complaint("norm", text)
                _shorten(answers[partition], outgoing.sent[partition], limit / norm)


def _shorten(answer: Message, sent: Mapping[str, Sent], factor: float) -> None:
    for name, record in answer.content.array_records.items():
        answer.content[name] = norms.clipped(record, sent[name], factor)


def _norm(measured: Future[float]) -> float | Complaint:
    try:
        return measured.result()
    except PayloadError as error:
        return Complaint(error.kind, str(error))


def _bound_counts(
    answers: Mapping[int, Message], counts: Mapping[int, int], factor: float, findings: Findings
) -> None:
    for partition, most in screen.believed(counts, factor).items():
        if partition not in answers:
            continue
        for record in answers[partition].content.metric_records.values():
            if COUNT in record:
                record[COUNT] = most
        text = f"it says that it has {counts[partition]} samples, which count as {most}"
        findings.bounded.setdefault(partition, Complaint("samples", text))


def _count(answer: Message) -> int:
    merged: dict[str, Any] = {}
    for record in answer.content.metric_records.values():
        merged.update(record)
    return int(merged[COUNT])
