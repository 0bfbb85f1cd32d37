"""Tokens as they come from files and the environment. Standard library only and Python 3.8."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

from fedbed.errors import UsageError

MAX_CHARS = 200


def read(path: Path, flag: str) -> str:
    """Return the token that a file holds; UsageError if it holds none, OSError if it isn't there.

    flag: what named the file, for the error. The token itself is in no error.
    """
    with path.open("rb") as file:
        data = file.read(MAX_CHARS * 2)
    return checked(data.decode("utf-8", errors="replace"), f"{flag}: '{path}'")


def given(path: Optional[Path], flag: str, variable: str) -> str:
    """Return the token in a file, else in the environment; empty if neither is named.

    Raises what `read` does.
    """
    if path is not None:
        return read(path, flag)
    text = os.environ.get(variable, "")
    return checked(text, f"${variable}") if text.strip() else ""


def checked(text: str, where: str) -> str:
    """Return a token without the white space around it; UsageError unless it is one word."""
    token = text.strip()
    plain = token.isascii() and token.isprintable() and " " not in token
    if not token or not plain or len(token) > MAX_CHARS:
        raise UsageError(f"{where} holds no token: that is one word, alone on one line")
    return token
