"""Standard input and output as a private channel between a parent and its child process.

Both kinds of children (a node's worker, a run's process) run code that isn't ours, which may print
and may read its standard input. Python 3.8, standard library only.
"""

from __future__ import annotations

import os
from typing import BinaryIO


def take_stdout() -> BinaryIO:
    """Return standard output for ourselves; from now on, what is printed goes to the log."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return out


def take_stdin() -> BinaryIO:
    """Return standard input for ourselves; from now on, whoever reads it finds its end.

    A reader of our own is needed as well: at exit the interpreter waits for the lock of its own.
    """
    into = os.fdopen(os.dup(0), "rb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return into
