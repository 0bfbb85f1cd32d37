"""`fedbed doctor --fleet`: how a coordinator's nodes are, by their own check-ups."""

from __future__ import annotations

import argparse
import json
import sys

from fedbed.cli import checkups
from fedbed.cli.checkups import OFFLINE, Patient
from fedbed.cli.connection import connect
from fedbed.cli.parser import did_you_mean
from fedbed.cli.readings import Row
from fedbed.client import Client
from fedbed.errors import NotFound, Unhealthy
from fedbed.units import format_count


def fleet(args: argparse.Namespace) -> int:
    """Ask all nodes, or those that are named; returns the exit code.

    Raises Unhealthy if something keeps one of them from training, or a named one is offline.
    """
    with connect(args) as client:
        nodes = _chosen(client, args.names)
        if not nodes and not args.json:
            print(f"no node has joined {client.url} yet: fedbed agent --coordinator {client.url}")
            return 0
        patients = checkups.examine(client, nodes, {}, _say)
    if args.json:
        print(json.dumps([patient.as_json() for patient in patients], indent=2))
    else:
        checkups.show(patients)
    sys.stdout.flush()
    bad = [patient for patient in patients if _is_bad(patient, args.names, args.strict)]
    if bad:
        names = ", ".join(patient.name for patient in bad)
        raise Unhealthy(f"{len(bad)} of {format_count(len(patients), 'node')} can't train: {names}")
    return 0


def _is_bad(patient: Patient, named: list[str], strict: bool) -> bool:
    """Who isn't asked for by name may be switched off: boards in a drawer are no trouble."""
    if patient.trouble == OFFLINE:
        return patient.name in named
    return bool(patient.complaints(strict))


def _chosen(client: Client, names: list[str]) -> list[Row]:
    nodes = client.nodes()
    known = [str(node["name"]) for node in nodes]
    for name in names:
        if name not in known:
            raise NotFound(f"there is no node '{name}'{did_you_mean(name, known)}")
    return [node for node in nodes if not names or node["name"] in names]


def _say(line: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
