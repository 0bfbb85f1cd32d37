"""`fedbed nodes`: a coordinator's nodes, seen and steered."""

from __future__ import annotations

import argparse
import json
import time

from rich.text import Text

from fedbed.cli import listing, readings
from fedbed.cli.connection import connect
from fedbed.cli.readings import Row
from fedbed.cli.screen import STATES
from fedbed.client import Client
from fedbed.errors import UsageError
from fedbed.units import format_bytes, format_duration

TITLES = ("node", "state", "seen", "offences", "machine", "agent memory", "run")


def nodes(args: argparse.Namespace) -> int:
    """List the nodes, or show, drain, resume or remove one."""
    if args.action != "list" and not args.name:
        raise UsageError(f"nodes {args.action}: which node? fedbed nodes {args.action} NAME")
    if args.action == "list" and args.name:
        raise UsageError(f"nodes list: '{args.name}' is one argument too many")
    with connect(args) as client:
        if args.action == "list":
            _list(client, args.json)
            return 0
        if args.action == "show":
            _show(client.node(args.name), args.json)
            return 0
        if args.action == "remove":
            client.remove(args.name)
        else:
            client.drain(args.name, args.action == "drain")
    if args.json:
        print(json.dumps({"node": args.name, "action": args.action}))
    else:
        done = {
            "drain": "gets no new work; what it has, it finishes",
            "resume": "takes work again; its offences are forgiven",
            "remove": "was removed; its name is free",
        }
        print(f"{args.name} {done[args.action]}")
    return 0


def _list(client: Client, as_json: bool) -> None:
    found = client.nodes()
    if as_json:
        print(json.dumps(found, indent=2))
        return
    if not found:
        print(f"no node has joined {client.url} yet: fedbed agent --coordinator {client.url}")
        return
    listing.show(TITLES, map(_row, found), whole=TITLES[:4])
    for node in found:
        if node.get("trouble"):
            print(f"{node['name']}: {node['trouble']}")


def _show(node: Row, as_json: bool) -> None:
    if as_json:
        print(json.dumps(node, indent=2))
        return
    listing.show(TITLES, [_row(node)], whole=TITLES[:4])
    if node.get("set_aside"):
        print(f"\n{node['set_aside']}\nforgive it: fedbed nodes resume {node['name']}")
    refusals = readings.rows(node.get("refusals"))
    print()
    if refusals:
        titles = ("when", "kind", "counts", "why")
        listing.show(titles, map(_refusal, refusals), whole=titles[:3])
    else:
        print("nothing of it was ever refused")
    runs = readings.rows(node.get("runs"))
    if runs:
        print()
        lines = ([Text(str(run["id"])), Text(str(run["state"]))] for run in runs)
        listing.show(("run", "state"), lines, whole=("run", "state"))


def _refusal(refusal: Row) -> list[Text]:
    at = time.localtime(float(readings.number(refusal.get("at")) or 0))
    return [
        Text(time.strftime("%Y-%m-%d %H:%M:%S", at)),
        Text(str(refusal.get("kind"))),
        Text("as asked" if refusal.get("asked_for") else "yes" if refusal.get("counts") else "no"),
        Text(str(refusal.get("text"))),
    ]


def _row(node: Row) -> list[Text]:
    profile, agent = readings.mapping(node.get("profile")), readings.mapping(node.get("agent"))
    seen = readings.number(node.get("seen_s_ago"))
    state = str(node.get("state"))
    memory = int(readings.number(profile.get("memory_bytes")) or 0)
    machine = f"{profile.get('machine')}, {profile.get('cpus')} cores, {format_bytes(memory)}"
    return [
        Text(str(node.get("name"))),
        Text(state, STATES.get(state, "")),
        Text("-" if seen is None else f"{format_duration(float(round(seen)))} ago"),
        Text(str(node.get("offences") or "-")),
        Text(machine),
        Text(format_bytes(int(readings.number(agent.get("rss_bytes")) or 0))),
        Text(str(node.get("run") or "-")),
    ]
