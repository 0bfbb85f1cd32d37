"""Who this node is: a secret key in the state folder, and a lock that keeps it to one agent."""

from __future__ import annotations

import fcntl
import logging
import re
import secrets
from pathlib import Path
from typing import IO, Optional

from fedbed.disk import is_full, write_secret
from fedbed.errors import FedbedError, NameTaken, StorageFull

log = logging.getLogger("fedbed.agent")
_KEY = re.compile(r"[0-9a-f]{64}")


class Identity:
    """The node's key (64 hex digits), made at the first start and kept with mode 0600.

    `acquire` locks the state folder until `release` or the end of the process; NameTaken if
    another agent has it, FedbedError if the folder can't be used, StorageFull if its disk is full.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._lock: Optional[IO[str]] = None
        self.key = ""

    def acquire(self) -> None:
        """Lock the folder and load or make the key."""
        try:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            self._lock = (self._state_dir / "agent.lock").open("a+")
        except OSError as error:
            raise unusable(self._state_dir, error) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            self._lock = None
            raise NameTaken(
                f"another agent already runs with the state folder '{self._state_dir}': "
                "stop it, or give this one its own --name or --state-dir"
            ) from error
        try:
            self.key = self._load_or_make()
        except OSError as error:
            self.release()
            raise unusable(self._state_dir, error) from error

    def release(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _load_or_make(self) -> str:
        path = self._state_dir / "node.key"
        if path.is_file():
            key = path.read_text(errors="replace").strip()
            if _KEY.fullmatch(key):
                return key
            # A power cut may do that to a flash card, though the key was synced.
            log.warning("'%s' is damaged: this becomes another node, with a new key", path)
        key = secrets.token_hex(32)
        write_secret(path, key)
        return key


def unusable(state_dir: Path, error: OSError) -> FedbedError:
    """Return what to tell of a state folder that a file operation failed in."""
    if is_full(error):
        return StorageFull(
            f"the disk of the state folder '{state_dir}' is full: make room there, or give another "
            "with --state-dir"
        )
    where = f": {error.filename}" if error.filename not in (None, str(state_dir)) else ""
    return FedbedError(
        f"the state folder '{state_dir}' can't be used ({error.strerror}{where}): "
        "give another with --state-dir"
    )
