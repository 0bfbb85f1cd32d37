"""The log of the coordinator and of agents: standard error, a line for each event."""

from __future__ import annotations

import logging
import sys


class OneLine(logging.Formatter):
    """Writes control characters as escapes, so that nobody's name or address forges a line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Format a record's own line; a traceback after it stays as it is."""
        return printable(super().formatMessage(record))


def configure() -> None:
    """Send what is worth knowing to standard error."""
    # A log that can't be written (a full disk) must not cost more than its lines.
    logging.raiseExceptions = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine("%(levelname).1s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def printable(text: str) -> str:
    """Return a text with its control characters as escapes: terminals obey some of them."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
