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
from fedbed.errors import PayloadError
from fedbed.experiment import Screening as Rules

MEASURED_AT_ONCE = 2
COUNT = "num-examples"


@dataclass
class Findings:
    """What came of a look: by partition, what is refused and what was bounded, with the reason."""

    refused: dict[int, Complaint] = field(default_factory=dict)
    bounded: dict[int, Complaint] = field(default_factory=dict)


class Screening:
    """One run's rules. Norms are measured in threads as replies come, while others still train.

    samples: the size of each partition, where the run dealt them out.
    """

    def __init__(self, rules: Rules, samples: Mapping[int, int]) -> None:
        self._rules = rules
        self._samples = samples
        self._pool = ThreadPoolExecutor(MEASURED_AT_ONCE, "norms")

    def complaint(self, reply: Reply, is_training: bool) -> Complaint | None:
        """Return what is wrong with a reply by itself, None if nothing is."""
        size = self._samples.get(reply.partition) if is_training else None
        return screen.complaint(reply.metrics(), size)

    def measure(self, outgoing: Outgoing, reply: Reply) -> None:
        """Begin to measure an update that has come, if anybody will ask how long it is."""
        if self._rules.norm_limit is None or len(outgoing.messages) < screen.LEAST_UPDATES:
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
            _bound_counts(kept, self._rules.samples_limit, findings)
        return findings

    def _look_at_norms(
        self, answers: Mapping[int, Message], outgoing: Outgoing, factor: float, findings: Findings
    ) -> None:
        found = {partition: _norm(outgoing.norms[partition]) for partition in answers}
        wrong = {p: norm for p, norm in found.items() if isinstance(norm, Complaint)}
        findings.refused.update(wrong)
        measured = {p: norm for p, norm in found.items() if not isinstance(norm, Complaint)}
        limits = screen.longest(measured, factor, self._samples)
        for partition, norm in measured.items():
            limit = limits[partition]
            if norm <= limit:
                continue
            text = f"its update has a norm of {norm:.4g}, above this round's limit of {limit:.4g}"
            if self._rules.over == "refuse":
                findings.refused[partition] = Complaint("norm", text)
            else:
                findings.bounded[partition] = Complaint("norm", f"{text}, and it was shortened")
                content, sent = answers[partition].content, outgoing.sent[partition]
                for name, record in content.array_records.items():
                    content[name] = norms.clipped(record, sent[name], limit / norm)


def _norm(measured: Future[float]) -> float | Complaint:
    try:
        return measured.result()
    except PayloadError as error:
        return Complaint(error.kind, str(error))


def _bound_counts(answers: Mapping[int, Message], factor: float, findings: Findings) -> None:
    counts = {partition: _count(answer) for partition, answer in answers.items()}
    for partition, most in screen.believed(counts, factor).items():
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
