"""The log of the coordinator and of agents: standard error, a line for each event.

Where the journal reads it, each line begins with its priority instead (sd-daemon(3)).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any

_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.DEBUG, 7),
)
"""Levels with the numbers of syslog(3)."""


class OneLine(logging.Formatter):
    """Writes control characters as escapes, so that nobody's name or address forges a line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Format a record's own line; a traceback after it stays as it is."""
        return printable(super().formatMessage(record))


class ForJournal(OneLine):
    """Puts the priority before each line, those of a traceback included: each is an entry."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        return _prioritised(super().format(record), record.levelno)


def configure() -> None:
    """Send what is worth knowing to standard error."""
    # A log that can't be written (a full disk) must not cost more than its lines.
    logging.raiseExceptions = False
    handler = logging.StreamHandler(sys.stderr)
    if is_journal():
        handler.setFormatter(ForJournal("%(name)s: %(message)s"))
        _log_what_nobody_caught()
    else:
        handler.setFormatter(OneLine("%(levelname).1s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def is_journal() -> bool:
    """Whether the journal reads standard error: $JOURNAL_STREAM names it (systemd.exec(5))."""
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):  # closed, or no file
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def last_words(text: str) -> None:
    """Write the one line that says why this program ends."""
    sys.stderr.write((_prioritised(text, logging.ERROR) if is_journal() else text) + "\n")


def _prioritised(text: str, level: int) -> str:
    number = next((number for least, number in _PRIORITIES if level >= least), 7)
    return "\n".join(f"<{number}>{line}" for line in text.splitlines())


def _log_what_nobody_caught() -> None:
    """Have Python's own tracebacks go by way of the log."""
    log = logging.getLogger("fedbed")

    def of_main(*error: Any) -> None:
        log.critical("ended by a fault of its own", exc_info=error)

    def of_thread(args: threading.ExceptHookArgs) -> None:
        error = (args.exc_type, args.exc_value, args.exc_traceback)
        log.critical("a thread was ended by a fault of its own", exc_info=error)  # type: ignore[arg-type]

    sys.excepthook = of_main
    threading.excepthook = of_thread


def printable(text: str) -> str:
    """Return a text with its control characters as escapes: terminals obey some of them."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
