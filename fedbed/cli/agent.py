"""`fedbed agent`, `doctor` and `coordinator`: this process becomes the other program.

Standard library only and Python 3.8, and no import of either package: an agent must not carry the
command line in its memory.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from typing import List

from fedbed.errors import RequirementMissing

MODULES = {"coordinator": "coordinator", "agent": "edge_agent", "doctor": "edge_agent.doctor"}
_NEEDS = {
    "coordinator": ("fastapi", "uvicorn", "sqlalchemy", "flwr"),
    "agent": ("psutil",),
    "doctor": ("psutil",),
}
_EXTRAS = {"coordinator": "fedbed[coordinator]", "agent": "fedbed", "doctor": "fedbed"}
FLEET = "--fleet"
"""Turns `fedbed doctor` into a command of the centre, which this process carries out itself."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add two of them to the list of commands; `hand_over` reads their flags, not these parsers."""
    subparsers.add_parser("coordinator", help="serve the API, the live page and the runs")
    subparsers.add_parser("agent", help="join a coordinator as a node and train for it")


def is_another(argv: List[str]) -> bool:
    """Whether this command line is for another program."""
    return bool(argv) and argv[0] in MODULES and not (argv[0] == "doctor" and FLEET in argv)


def hand_over(command: str, arguments: List[str]) -> int:
    """Replace this process by `python -m` of the command's module; returns only by an error.

    RequirementMissing if this interpreter can't run it.
    """
    if command == "coordinator" and sys.version_info < (3, 11):
        raise RequirementMissing(
            f"the coordinator needs Python 3.11 or newer, and this is {sys.version.split()[0]}: "
            "install fedbed[coordinator] under a newer one"
        )
    for package in _NEEDS[command]:
        if importlib.util.find_spec(package) is None:
            raise RequirementMissing(
                f"`fedbed {command}` needs the package {package}: pip install '{_EXTRAS[command]}'"
            )
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", MODULES[command], *arguments])  # nosec B606 # us
