"""Which coordinator a command speaks to, and as whom."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedbed import secret
from fedbed.client import Client
from fedbed.errors import UsageError
from fedbed.link import trust

TOKEN_VARIABLE = "FEDBED_TOKEN"  # nosec B105 # a variable's name


def connect(args: argparse.Namespace) -> Client:
    """Return a client for `args.coordinator`; nothing is sent yet. UsageError for a wrong one."""
    ca = trust.pinned(args.ca, args.coordinator)
    return Client(args.coordinator, token=_token(args.token_file), ca=ca)


def connect_if_named(args: argparse.Namespace) -> Client | None:
    """Like `connect`; None where no coordinator is named, and one is to be started here."""
    return None if args.coordinator is None else connect(args)


def _token(path: Path | None) -> str:
    """Return the access token: from a file or the environment, as flags are seen by everybody."""
    try:
        return secret.given(path, "--token-file", TOKEN_VARIABLE)
    except OSError as error:
        raise UsageError(f"--token-file: '{path}' can't be read ({error.strerror})") from error
