"""argparse with our manners: one-line errors with a near match, and flags spelled out in full.

Standard library only and Python 3.8, like everything that `fedbed --help` imports.
"""

from __future__ import annotations

import argparse
import difflib
import textwrap
from typing import Any, Iterable, List, NoReturn, Optional, Tuple

from fedbed.errors import UsageError


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print its usage and leave the process."""

    def __init__(self, own_program: bool = False, **more: Any) -> None:
        """Take what argparse takes; own_program: whether who prints errors names the command."""
        more.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        more.setdefault("allow_abbrev", False)
        if more.get("description"):
            # The formatter keeps an epilog's examples as they are, and so every line as it is.
            more["description"] = textwrap.fill(more["description"], 78)
        super().__init__(**more)
        self._own_program = own_program

    def parse_known_args(  # type: ignore[override]
        self, args: Optional[List[str]] = None, namespace: Optional[argparse.Namespace] = None
    ) -> Tuple[argparse.Namespace, List[str]]:
        """Parse; what this parser doesn't know is an error here, where its flags are known."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            first = unknown[0].partition("=")[0]
            if first.startswith("-"):
                known = [flag for action in self._actions for flag in action.option_strings]
                self.error(f"unknown option '{first}'{did_you_mean(first, known)}")
            self.error(f"'{first}' is one argument too many")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with the command's name and where to read on."""
        command = "" if self._own_program else self.prog.partition(" ")[2]
        where = f"{command}: " if command else ""
        raise UsageError(f"{where}{message} ({self.prog} --help shows what there is)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = [str(choice) for choice in action.choices or []]
        if choices and value not in choices:
            what = str(action.metavar or action.option_strings[0]).lower()
            near = did_you_mean(str(value), choices)
            hint = near or f" (there are: {', '.join(choices)})"
            self.error(f"unknown {what} '{value}'{hint}")


def count(text: str) -> int:
    """Read a flag's number of something, from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"given '{text}', allowed: a whole number from 1")
    return int(text)


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?", or nothing where no known name is near."""
    close = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""
