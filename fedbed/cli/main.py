"""The command `fedbed`: its commands, and how errors become one line and an exit code.

Standard library only and Python 3.8: a node's base install has this command too, for `fedbed
agent`. What a command needs beyond that is imported when it runs.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from typing import List, Optional, cast

from fedbed.cli import agent, commands
from fedbed.cli.parser import Parser
from fedbed.cli.signals import is_interrupt
from fedbed.errors import FedbedError, Interrupted, UsageError

EXAMPLES = """examples:
  fedbed demo                                a coordinator, four nodes and a first run, here
  fedbed run experiments/quick.yaml          the same for an experiment of your own
  fedbed run my-flower-app --nodes 3         any Flower app, unchanged
  fedbed compare exp.yaml --seeds 1,2,3      variants and seeds, with intervals
  fedbed coordinator                         serve nodes and runs from this machine
  fedbed agent --coordinator http://pc:8470  join as a node
  fedbed doctor --coordinator http://pc:8470 say what keeps this machine from that
  fedbed COMMAND --help                      what a command can do

exit codes: 0 all went well, 2 usage, 130 Ctrl-C; docs/exit-codes.md lists them all"""


def entry() -> None:
    """Run the command line and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # A terminal that lacks a character shows '?' in its place.
            reconfigure(errors="replace")
    sys.exit(main(sys.argv[1:]))


def main(argv: List[str]) -> int:
    """Run one command; returns its exit code. No error leaves this function."""
    try:
        code = _run(argv)
        sys.stdout.flush()
        return code
    except FedbedError as error:
        return _complain(str(error), error.exit_code, error)
    except KeyboardInterrupt as error:
        return _complain("interrupted", Interrupted.exit_code, error)
    except BrokenPipeError:
        # Who read our output (`| head`) has enough; Python's own flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FedbedError.exit_code
    except SystemExit as error:  # argparse, after --help and --version
        return error.code if isinstance(error.code, int) else 0
    except Exception as error:  # noqa: BLE001  the last line of defence
        if is_interrupt(error):
            return _complain("interrupted", Interrupted.exit_code, error)
        text = f"{type(error).__name__}: {error} (FEDBED_DEBUG=1 shows where)"
        return _complain(text, FedbedError.exit_code, error)


def build_parser() -> Parser:
    """Return the parser of all commands."""
    from fedbed import __version__
    from fedbed.cli import data

    parser = Parser(
        prog="fedbed",
        description="A federated-learning testbed for edge devices: genuine Flower apps, on an "
        "edge-grade link, with everything observable.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--version", action="version", version=f"fedbed {__version__}")
    subparsers = cast(
        "argparse._SubParsersAction[argparse.ArgumentParser]",
        parser.add_subparsers(dest="command", metavar="COMMAND", title="commands"),
    )
    commands.register_demo(subparsers)
    agent.register(subparsers)
    commands.register_run(subparsers)
    commands.register_compare(subparsers)
    commands.register_partition(subparsers)
    commands.register_chaos(subparsers)
    commands.register_doctor(subparsers)
    commands.register_nodes(subparsers)
    commands.register_runs(subparsers)
    commands.register_enrol(subparsers)
    commands.register_access(subparsers)
    commands.register_ca(subparsers)
    data.register(subparsers)
    return parser


def _run(argv: List[str]) -> int:
    # These have flags of their own, --help among them, so our parser must not read them.
    if agent.is_another(argv):
        return agent.hand_over(argv[0], argv[1:])
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help(sys.stderr)
        return UsageError.exit_code
    code: int = args.func(args)
    return code


def _complain(text: str, code: int, error: Optional[BaseException]) -> int:
    if os.environ.get("FEDBED_DEBUG") == "1" and error is not None:
        traceback.print_exception(type(error), error, error.__traceback__)
    sys.stderr.write(f"fedbed: {' '.join(text.split())}\n")
    return code
