"""`fedbed run`: one experiment or Flower app, to its end, with its results on disk."""

from __future__ import annotations

import argparse
import json
import sys

from rich.console import Console

from fedbed.cli import preflight, results, targets
from fedbed.cli.connection import connect_if_named
from fedbed.cli.session import session
from fedbed.cli.targets import Target
from fedbed.errors import UsageError


def run(args: argparse.Namespace) -> int:
    """Run what `args.target` names; returns the exit code."""
    stream = sys.stderr if args.json else sys.stdout

    def say(text: str) -> None:
        stream.write(text + "\n")
        stream.flush()

    target = _target(args, say)
    there = connect_if_named(args)
    if args.preflight and there is None:
        raise UsageError("--preflight: name the coordinator whose nodes are meant: --coordinator")
    with session(there, target.nodes, args.output, args.plain, stream) as here:
        if args.preflight:
            names = target.eligible(here.client)
            preflight.check(here.client, names, target.needs(), say, args.allow_unhealthy)
        outcome = here.run(target)
    if args.json:
        found = {"run": outcome.run["id"], "folder": str(outcome.folder), "result": outcome.result}
        print(json.dumps(found, indent=2))
    else:
        results.show(outcome.result, outcome.folder, Console())
    return 0


def _target(args: argparse.Namespace, say: targets.Say) -> Target:
    if targets.is_app_folder(args.target):
        targets.refuse_seed(args.seed)
        return targets.of_app(args.target, args.run_config, args.assignments, args.nodes)
    if args.run_config:
        raise UsageError("--run-config is for Flower apps; an experiment takes --set")
    wanted = targets.load_experiment(args.target, args.assignments, args.nodes)
    if args.coordinator is None:
        wanted = targets.with_data(wanted, say)
    target = targets.of_experiment(
        wanted, args.seed, twin=wanted.centralised.enabled and not args.no_twin
    )
    if args.seed is None and len(wanted.seeds) > 1:
        say(
            f"seed {wanted.seeds[0]}, the first of {len(wanted.seeds)}: "
            "`fedbed compare` runs them all"
        )
    return target
