"""Which coordinator a command speaks to, and as whom."""

from __future__ import annotations

import argparse

from fedbed.client import Client


def connect(args: argparse.Namespace) -> Client:
    """Return a client for `args.coordinator`; nothing is sent yet. UsageError for a wrong one."""
    return Client(args.coordinator)


def connect_if_named(args: argparse.Namespace) -> Client | None:
    """Like `connect`; None where no coordinator is named, and one is to be started here."""
    return None if args.coordinator is None else connect(args)
