"""`fedbed demo`: a whole testbed and a first run on this machine, explained as it goes."""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path

from rich.console import Console

import fedbed
from fedbed.cli import results, targets
from fedbed.cli.session import session
from fedbed.units import format_count


def demo(args: argparse.Namespace) -> int:
    """Run the demonstration; returns the exit code."""
    changes = [] if args.rounds is None else [f"federation.rounds={args.rounds}"]
    wanted = targets.load_experiment(examples_dir() / "demo.yaml", changes, args.nodes)
    intro = (
        f"This starts {args.nodes + 1} processes on this machine: a coordinator and "
        f"{format_count(args.nodes, 'node')}. The nodes train {wanted.task.name} together for "
        f"{format_count(wanted.federation.rounds, 'round')}, each on its own share of the data. "
        "Then one machine trains the same model on all of it, the centralised twin, for comparison."
    )
    _say(textwrap.fill(intro, 78) + "\n")
    wanted = targets.with_data(wanted, _say)
    target = targets.of_experiment(wanted, None, twin=True)
    with session(None, target.nodes, args.output, args.plain) as here:
        outcome = here.run(target)
    results.show(outcome.result, outcome.folder, Console())
    _say(f"All {args.nodes + 1} processes have been stopped. Next: fedbed run --help")
    return 0


def examples_dir() -> Path:
    """Folder of the example experiments: the checkout's, else the copies inside the wheel."""
    package = Path(fedbed.__file__).resolve().parent
    top = package.parent
    # Without the second test, any `experiments` in site-packages would pass for a checkout.
    if (top / "experiments").is_dir() and (top / "pyproject.toml").is_file():
        return top / "experiments"
    return package / "experiment" / "examples"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
