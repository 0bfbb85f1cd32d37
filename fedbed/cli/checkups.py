"""A fleet's check-ups, asked for and waited for: what `fedbed doctor --fleet` and preflights do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.text import Text

from fedbed.cli import findings as text
from fedbed.cli import listing, readings
from fedbed.cli.readings import Row
from fedbed.client import Client
from fedbed.errors import FedbedError, NodesMissing, NotFound, Refused
from fedbed.link.health import FAIL, LIMIT_S, OK, SKIPPED, WARN, Finding, counts, worst
from fedbed.link.messages import parse
from fedbed.units import format_count, format_duration

AT_A_TIME = 8
"""Nodes that are examined at once: each measures the way, which others would share."""
PATIENCE_S = LIMIT_S + 15.0
"""For a node's answer: its busy poll, a slow start of its interpreter, and the check-up."""
OFFLINE, SILENT, REFUSED = "offline", "silent", "refused"
_STYLES = {OK: "green", WARN: "yellow", FAIL: "bold red", SILENT: "bold red"}
Say = Callable[[str], None]


@dataclass
class Patient:
    """One node. trouble: OFFLINE, SILENT or REFUSED where nothing is known, and `why`."""

    name: str
    findings: list[Finding] = field(default_factory=list)
    took_s: float = 0.0
    busy: bool = False
    trouble: str = ""
    why: str = ""

    @property
    def worst(self) -> str:
        """The trouble, or else the worst level of what was found."""
        return self.trouble or worst(self.findings)

    def complaints(self, strict: bool = False) -> list[str]:
        """What keeps it from training, by the checks' names; with `strict` warnings, too."""
        levels = (FAIL, WARN) if strict else (FAIL,)
        if self.trouble in (SILENT, REFUSED):
            return [self.trouble]
        return [finding.check for finding in self.findings if finding.level in levels]

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "node": self.name,
            "worst": self.worst,
            "why": self.why,
            "busy": self.busy,
            "took_s": self.took_s,
            "findings": [vars(finding) for finding in self.findings],
        }


def examine(client: Client, nodes: Sequence[Row], needs: dict[str, Any], say: Say) -> list[Patient]:
    """Have nodes of the fleet's listing examine themselves; returns them in the same order.

    needs: what is planned, by the keys of `CheckupOrder`. say: is told of each as it is through.
    Refused by a coordinator that knows no check-ups.
    """
    if any("health" not in node for node in nodes):
        raise Refused("this coordinator is too old to ask nodes how they are: update it")
    patients = {str(node["name"]): Patient(str(node["name"])) for node in nodes}
    for node in nodes:
        if node.get("state") == OFFLINE:
            patient = patients[str(node["name"])]
            patient.trouble, patient.why = OFFLINE, _seen(node)
    waiting = [patient for patient in patients.values() if not patient.trouble]
    open_: dict[str, float] = {}
    version = 0
    while waiting or open_:
        while waiting and len(open_) < AT_A_TIME:
            patient = waiting.pop(0)
            if _ask(client, patient, needs):
                open_[patient.name] = time.monotonic() + PATIENCE_S
        picture = client.live(version, 1.0)
        version = int(picture["version"])
        states = {str(node["name"]): node.get("health") for node in picture["nodes"]}
        for name in [name for name in open_ if states.get(name) != "asked"]:
            del open_[name]
            _take(client, patients[name])
            say(f"{name}: {_found(patients[name])}")
        for name in [name for name, until in open_.items() if time.monotonic() > until]:
            del open_[name]
            patients[name].trouble = SILENT
            patients[name].why = f"no answer within {format_duration(PATIENCE_S)}"
            say(f"{name}: {_found(patients[name])}")
    return list(patients.values())


def show(patients: Sequence[Patient]) -> None:
    """Print a table of all nodes, and what is to be mended below it."""
    rows = (
        [
            Text(patient.name),
            Text(patient.worst, _STYLES.get(patient.worst, "bright_black")),
            Text(_found(patient)),
        ]
        for patient in patients
    )
    listing.show(("node", "worst", "found"), rows, whole=("node", "worst"))
    explain(patients, print)


def explain(patients: Sequence[Patient], say: Say) -> None:
    """Say of each node that isn't well what is wrong with it, why that matters, what mends it."""
    for patient in patients:
        told = text.lines(patient.findings, sys.stdout, all_of_them=False)
        if told:
            say("\n".join(["", patient.name, *(f"  {line}" for line in told)]))


def _ask(client: Client, patient: Patient, needs: dict[str, Any]) -> bool:
    try:
        client.order_checkup(patient.name, **needs)
    except (NodesMissing, NotFound) as error:
        patient.trouble, patient.why = OFFLINE, str(error)
    except Refused as error:
        patient.trouble, patient.why = REFUSED, str(error)
    return not patient.trouble


def _take(client: Client, patient: Patient) -> None:
    try:
        report = client.node_health(patient.name)["report"]
        patient.findings = [parse(Finding, found) for found in report["findings"]]
        patient.took_s, patient.busy = float(report["took_s"]), bool(report["busy"])
    except (FedbedError, TypeError, KeyError, ValueError) as error:
        patient.trouble, patient.why = SILENT, f"its findings can't be read ({error})"


def _found(patient: Patient) -> str:
    if patient.trouble:
        return patient.why
    number = counts(patient.findings)
    told = [f"{number[level]} {level}" for level in (FAIL, WARN) if number[level]]
    bad = [f.check for level in (FAIL, WARN) for f in patient.findings if f.level == level]
    busy = ", while it trained" if patient.busy else ""
    done = len(patient.findings) - number[SKIPPED]
    took = f"{format_count(done, 'check')} in {format_duration(patient.took_s)}{busy}"
    return f"{', '.join(told)}: {', '.join(bad)} ({took})" if bad else took


def _seen(node: Row) -> str:
    seen = readings.number(node.get("seen_s_ago"))
    return "never seen" if seen is None else f"seen {format_duration(float(round(seen)))} ago"
