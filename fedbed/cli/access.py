"""`fedbed enrol` and `fedbed access`: who may join, and who may do what."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from rich.text import Text

from fedbed import units
from fedbed.cli import listing
from fedbed.cli.connection import connect
from fedbed.cli.readings import Row
from fedbed.client import Client
from fedbed.disk import write_secret
from fedbed.errors import UsageError
from fedbed.units import format_duration

_STYLES = {"valid": "green", "expired": "red", "revoked": "red"}


def enrol(args: argparse.Namespace) -> int:
    """Make, list or revoke enrolment tokens."""
    if args.list and args.revoke:
        raise UsageError("enrol: either --list or --revoke")
    if args.names and (args.list or args.revoke):
        raise UsageError("enrol: names go with a new token, not with --list or --revoke")
    _check_output(args.output)
    expires_s = _seconds(args.expires)
    with connect(args) as client:
        if args.list:
            _list_enrolments(client, args.json)
        elif args.revoke:
            client.revoke(args.revoke)
            told = {"revoked": args.revoke}
            print(json.dumps(told) if args.json else f"{args.revoke} lets nobody else in")
        else:
            uses = args.uses or max(1, len(args.names))
            made = client.enrol(uses=uses, expires_s=expires_s, names=args.names, label=args.label)
            who = ", ".join(args.names) or ("any node" if uses == 1 else f"any {uses} nodes")
            text = f"{made['id']} lets {who} in, within {format_duration(expires_s)}"
            _hand_out(made, text, args)
    return 0


def access(args: argparse.Namespace) -> int:
    """List who has access, give it or take it away."""
    if args.action != "list" and not args.name:
        raise UsageError(f"access {args.action}: who? fedbed access {args.action} NAME")
    if args.action == "list" and args.name:
        raise UsageError(f"access list: '{args.name}' is one argument too many")
    _check_output(args.output)
    expires_s = None if args.expires is None else _seconds(args.expires)
    with connect(args) as client:
        if args.action == "list":
            _list_people(client, args.json)
        elif args.action == "remove":
            client.take_access(args.name)
            told = {"removed": args.name}
            print(json.dumps(told) if args.json else f"{args.name} has no access any more")
        else:
            made = client.give_access(name=args.name, role=args.role, expires_s=expires_s)
            _hand_out(made, f"{args.name} has access as {args.role}", args)
    return 0


def _hand_out(made: dict[str, Any], text: str, args: argparse.Namespace) -> None:
    """Show a new token, this once; or put it where only its owner looks."""
    if args.output is not None:
        _write(args.output, str(made.pop("token")))
        made["file"] = str(args.output)
        text += f"; its token lies in {args.output}"
    if args.json:
        print(json.dumps(made, indent=2))
        return
    print(text)
    if "token" in made:
        print(f"\n  {made['token']}\n\nIt is shown this once: only its hash is kept.")


def _check_output(path: Path | None) -> None:
    if path is not None and path.exists():
        raise UsageError(f"--output: '{path}' is there already: another token may lie in it")


def _write(path: Path, token: str) -> None:
    try:
        write_secret(path, token + "\n")
    except OSError as error:
        raise UsageError(
            f"--output: can't write '{path}' ({error.strerror}); the token is lost, so revoke it"
        ) from error


def _list_enrolments(client: Client, as_json: bool) -> None:
    found = client.enrolments()
    if as_json:
        print(json.dumps(found, indent=2))
        return
    if not found:
        print("there is no enrolment token yet: `fedbed enrol` makes one")
        return
    titles = ("token", "state", "for", "let in", "expires", "made by", "label")
    listing.show(titles, map(_enrolment_row, found), whole=("token", "state", "expires"))


def _enrolment_row(row: Row) -> list[Text]:
    state = str(row["state"])
    used = f"{len(row['used_by'])} of {row['uses']}"
    who = ", ".join(row["used_by"][:5])
    return [
        Text(str(row["id"])),
        Text(state, _STYLES.get(state, "")),
        Text(", ".join(row["names"][:5]) or "any node"),
        Text(f"{used}: {who}" if who else used),
        Text(_when(row["expires_at"])),
        Text(str(row["made_by"])),
        Text(str(row["label"]) or "-"),
    ]


def _list_people(client: Client, as_json: bool) -> None:
    found = client.people()
    if as_json:
        print(json.dumps(found, indent=2))
        return
    if not found:
        print("nobody has access yet: `fedbed access add NAME` gives it")
        return
    titles = ("name", "role", "expires", "made by")
    listing.show(titles, map(_person_row, found), whole=titles)


def _person_row(row: Row) -> list[Text]:
    expires_at = row["expires_at"]
    return [
        Text(str(row["name"])),
        Text(str(row["role"])),
        Text("never" if expires_at is None else _when(expires_at)),
        Text(str(row["made_by"])),
    ]


def _when(at: float) -> str:
    left = at - time.time()
    return f"in {format_duration(float(round(left)))}" if left > 0 else "has expired"


def _seconds(text: str) -> float:
    try:
        seconds = units.parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--expires: {error}") from error
    if seconds <= 0:
        raise UsageError(f"--expires: '{text}' is no time to come")
    return seconds
