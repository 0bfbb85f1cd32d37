"""Which packages are installed here."""

from __future__ import annotations

from importlib import metadata


def version(package: str) -> str:
    """Return a package's version; empty if it isn't installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
