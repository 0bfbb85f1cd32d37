"""Folders of this user: where data sets lie, and what fedbed keeps for itself.

Standard library only and Python 3.8: nodes look where their data sets lie.
"""

from __future__ import annotations

import os
from pathlib import Path

from fedbed.errors import DataError


def data_dir() -> Path:
    """Folder of all data sets that are files (it need not exist yet).

    $FEDBED_DATA, else `data` in the cache folder. DataError where there is neither.
    """
    chosen = os.environ.get("FEDBED_DATA")
    try:
        return Path(chosen).expanduser() if chosen else cache_dir() / "data"
    except RuntimeError as error:
        raise DataError("this user has no home folder: set FEDBED_DATA to a data folder") from error


def cache_dir() -> Path:
    """$XDG_CACHE_HOME/fedbed, else ~/.cache/fedbed; RuntimeError for a user without a home."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "fedbed"
