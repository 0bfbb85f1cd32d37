"""The token that a new node brings along: from a file or the environment, never from the flags.

Everybody on the machine can see a process's flags.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Optional

from fedbed import secret

VARIABLE = "FEDBED_ENROL_TOKEN"
log = logging.getLogger("fedbed.agent")


def token(path: Optional[Path]) -> str:
    """Return the token in a file, else in the environment; empty if there is none.

    A file may be gone once the node is enrolled. UsageError for one that holds something else.
    """
    try:
        return secret.given(path, "--enrol-file", VARIABLE)
    except OSError as error:
        log.info("no enrolment token from '%s' (%s)", path, error.strerror)
        return ""
