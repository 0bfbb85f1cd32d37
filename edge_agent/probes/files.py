"""Reading the small files of sysfs and procfs."""

from __future__ import annotations

from pathlib import Path
from typing import Optional


def text(path: Path) -> str:
    """Return a file's text, without white space and NUL at its ends; OSError without one."""
    # As raw bytes: much less work than a text file for a few digits.
    with path.open("rb", buffering=0) as f:
        return f.read().decode(errors="replace").strip(" \t\n\0")


def text_or_none(path: Path) -> Optional[str]:
    """Return what a file holds; None if it can't be read."""
    try:
        return text(path)
    except OSError:
        return None


def number(path: Path) -> Optional[int]:
    """Return a file's whole number; None if there is none: sensors sleep, and come and go."""
    try:
        return int(text(path))
    except (OSError, ValueError):
        return None
