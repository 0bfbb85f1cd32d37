"""Secrets that are handed out once and kept as hashes only."""

from __future__ import annotations

import hashlib
import secrets

ENROLMENT = "fedbed-enrol-"
ACCESS = "fedbed-access-"
"""Prefixes say what a secret is for, to people and to scanners that look for leaked ones."""
_BYTES = 32


def make(prefix: str) -> str:
    """Return a new secret of 256 random bits."""
    return prefix + secrets.token_urlsafe(_BYTES)


def digest(secret: str) -> str:
    """Hash a secret for keeping; all of them are random, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def has_form(text: str, prefix: str) -> bool:
    """Whether a text looks like a secret that `make` has made."""
    return text.startswith(prefix) and len(text) >= len(prefix) + _BYTES
