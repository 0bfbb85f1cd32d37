"""The broker's password file, in mosquitto's own format. Standard library only.

A line is `user:$7$ITERATIONS$SALT$HASH`: PBKDF2 with SHA-512, salt and hash in base64, as
mosquitto_passwd of 2.0 writes it (https://mosquitto.org/man/mosquitto_passwd-1.html).
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping

ITERATIONS = 101
"""As many as mosquitto_passwd. Few are enough: these passwords are random, so nobody guesses them.
"""
_SALT_BYTES, _HASH_BYTES = 12, 64
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def table(passwords: Mapping[str, str]) -> str:
    """Return the file's text for users and their passwords, each line with a salt of its own."""
    return "".join(f"{line(user, password)}\n" for user, password in passwords.items())


def line(user: str, password: str, salt: bytes | None = None) -> str:
    """Return a user's line; ValueError for a name that no node could have."""
    if not _USER.fullmatch(user):
        raise ValueError(f"'{user}' may hold letters, digits, '.', '_' and '-' only, 63 at most")
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, _HASH_BYTES)
    return f"{user}:$7${ITERATIONS}${_base64(salt)}${_base64(digest)}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
