"""The token that a new node brings along: from a file or the environment, never from the flags.

Everybody on the machine can see a process's flags.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Optional

VARIABLE = "FEDBED_ENROL_TOKEN"
log = logging.getLogger("fedbed.agent")


def token(path: Optional[Path]) -> str:
    """Return the token in a file, else in the environment; empty if there is none."""
    if path is None:
        return os.environ.get(VARIABLE, "").strip()
    try:
        return path.read_text(errors="replace").strip()
    except OSError as error:
        log.info("no enrolment token from '%s' (%s)", path, error.strerror)
        return ""
