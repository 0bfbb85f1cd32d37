"""Who this node is: a secret key in the state folder, and a lock that keeps it to one agent."""

from __future__ import annotations

import fcntl
import re
import secrets
from pathlib import Path
from typing import IO, Optional

from fedbed.disk import write_secret
from fedbed.errors import FedbedError, NameTaken

_KEY = re.compile(r"[0-9a-f]{64}")


class Identity:
    """The node's key (64 hex digits), made at the first start and kept with mode 0600.

    `acquire` locks the state folder until `release` or the end of the process; NameTaken if
    another agent has it, FedbedError if the folder can't be used.
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
            raise self._unusable(error) from error
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
            raise self._unusable(error) from error

    def release(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _unusable(self, error: OSError) -> FedbedError:
        return FedbedError(
            f"the state folder '{self._state_dir}' can't be used ({error.strerror}): "
            "give another with --state-dir"
        )

    def _load_or_make(self) -> str:
        path = self._state_dir / "node.key"
        if path.is_file():
            key = path.read_text(errors="replace").strip()
            if _KEY.fullmatch(key):
                return key
        key = secrets.token_hex(32)
        write_secret(path, key)
        return key
