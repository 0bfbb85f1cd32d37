"""What `fedbed --help` and `fedbed COMMAND --help` show, and which module runs each command.

Parsers only: they must be cheap, and work on Python 3.8 without extras. The commands' own modules
need Python 3.11 and the coordinator's packages, and are imported when they run.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from fedbed.cli import options
from fedbed.cli.parser import count
from fedbed.errors import RequirementMissing

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def register_demo(subparsers: Subparsers) -> None:
    """Add `fedbed demo`."""
    parser = subparsers.add_parser(
        "demo",
        help="see it work: a coordinator, four nodes and a first run on this machine",
        description="Start a coordinator and some nodes on this machine, train a small model on "
        "them and once centrally, compare the two, and stop everything again.",
        epilog="examples:\n  fedbed demo\n  fedbed demo --nodes 8 --rounds 3",
    )
    parser.add_argument("--nodes", type=count, default=4, help="number of nodes (default: 4)")
    parser.add_argument("--rounds", type=count, help="number of rounds (default: the file's, 10)")
    options.add_output(parser)
    parser.set_defaults(func=_later("fedbed.cli.demo", "demo"))


def register_run(subparsers: Subparsers) -> None:
    """Add `fedbed run`."""
    parser = subparsers.add_parser(
        "run",
        help="run an experiment file or a Flower app, here or on a coordinator's nodes",
        description="Run an experiment file, or a folder with a Flower app, and fetch the results."
        " Without a coordinator, one is started here with as many nodes as the run asks for.",
        epilog="examples:\n"
        "  fedbed run experiments/quick.yaml\n"
        "  fedbed run exp.yaml --set federation.rounds=5 --set optimizer.lr=0.1\n"
        "  fedbed run my-flower-app --nodes 3 --run-config 'num-server-rounds=5 lr=0.1'\n"
        "  fedbed run exp.yaml --coordinator http://pc:8470 --preflight",
    )
    parser.add_argument(
        "target", metavar="EXPERIMENT|APP_FOLDER", type=Path, help="an experiment file, or an app"
    )
    options.add_experiment(parser)
    parser.add_argument(
        "--run-config",
        action="append",
        default=[],
        metavar="'KEY=VALUE ...'",
        help="overrides [tool.flwr.app.config] of a Flower app, as `flwr run` takes it",
    )
    parser.add_argument(
        "--seed",
        type=options.seed,
        metavar="S",
        help="default: the first of the experiment's seeds",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--preflight",
        action="store_true",
        help="first have the coordinator's nodes examine themselves for what this run takes, and "
        "start nothing if one of them can't train",
    )
    parser.add_argument(
        "--allow-unhealthy",
        action="store_true",
        help="with --preflight: say what is wrong, and run all the same",
    )
    parser.add_argument("--no-twin", action="store_true", help="train no centralised twin")
    parser.set_defaults(func=_later("fedbed.cli.run", "run"))


def register_compare(subparsers: Subparsers) -> None:
    """Add `fedbed compare`."""
    parser = subparsers.add_parser(
        "compare",
        help="variants over seeds, each against its centralised twin, with intervals",
        description="Run the variants of a comparison file, or experiment files, with every seed "
        "and each beside its centralised twin, and report means with 95 % intervals and "
        "differences seed by seed. The same command goes on where it was interrupted.",
        epilog="examples:\n"
        "  fedbed compare experiments/compare/nodes.yaml\n"
        "  fedbed compare exp.yaml other.yaml --seeds 1,2,3\n"
        "  fedbed compare experiments/compare/nodes.yaml --dry-run",
    )
    parser.add_argument(
        "experiments",
        metavar="FILE",
        type=Path,
        nargs="+",
        help="a comparison file, or experiment files",
    )
    options.add_experiment(parser)
    parser.add_argument(
        "--seeds",
        type=options.seeds,
        default=(),
        metavar="S,S,...",
        help="seeds for every variant (default: the file's)",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="VARIANT",
        help="run this variant alone (may be repeated); the report shows all that is done",
    )
    parser.add_argument("--fresh", action="store_true", help="run anew what is done already, too")
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be run, and run nothing"
    )
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")
    parser.set_defaults(func=_later("fedbed.cli.compare", "compare"))


def register_partition(subparsers: Subparsers) -> None:
    """Add `fedbed partition`."""
    parser = subparsers.add_parser(
        "partition",
        help="show who would hold which samples of an experiment, without training",
        description="Divide an experiment's data among its nodes as a run would, show what each of "
        "them gets, and draw it. Nothing is trained.",
        epilog="examples:\n"
        "  fedbed partition exp.yaml\n"
        "  fedbed partition exp.yaml --nodes 100 --set data.partition=shards\n"
        "  fedbed partition exp.yaml --seed 2 --output split.svg",
    )
    parser.add_argument("experiment", metavar="EXPERIMENT", type=Path, help="an experiment file")
    options.add_changes(parser)
    parser.add_argument(
        "--seed",
        type=options.seed,
        metavar="S",
        help="default: the first of the experiment's seeds",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="draw it there: .svg, .png or .pdf"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(func=_later("fedbed.cli.partition", "partition"))


def register_chaos(subparsers: Subparsers) -> None:
    """Add `fedbed chaos`."""
    parser = subparsers.add_parser(
        "chaos",
        help="let seeded faults befall a testbed, and check that nothing is lost",
        description="Carry out fault scenarios on a coordinator and nodes that are started here: "
        "kill, freeze, cut, slow and fill what the files name, check what must hold all the same, "
        "and report what each fault cost.",
        epilog="examples:\n"
        "  fedbed chaos experiments/chaos/short.yaml\n"
        "  fedbed chaos experiments/chaos/kill-points.yaml --seed 7\n"
        "  fedbed chaos experiments/chaos/links.yaml --only link-hangs",
    )
    parser.add_argument(
        "scenarios", metavar="SCENARIO", type=Path, nargs="+", help="scenario files"
    )
    parser.add_argument("--seed", type=options.seed, metavar="S", help="default: the scenario's")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="carry out this fault of the scenario alone (may be repeated)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options.add_output(parser)
    parser.set_defaults(func=_later("fedbed.cli.chaos", "chaos"))


def register_doctor(subparsers: Subparsers) -> None:
    """Add `fedbed doctor --fleet`; without that flag the node's own program reads the others."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what keeps this machine, or with --fleet a coordinator's nodes, from training",
        description="Ask a coordinator's nodes to examine themselves, and show what they found. "
        "A node that trains leaves out what would disturb that.",
        epilog="examples:\n"
        "  fedbed doctor --coordinator http://pc:8470           this machine, as a node\n"
        "  fedbed doctor --fleet --coordinator http://pc:8470   all nodes of that coordinator\n"
        "  fedbed doctor --fleet pi-01 pi-02 --json\n"
        "exit codes: 0 nothing keeps a node from training, 18 something does",
    )
    parser.add_argument("names", nargs="*", metavar="NODE", help="these nodes only (default: all)")
    parser.add_argument("--fleet", action="store_true", required=True, help="ask the nodes")
    parser.add_argument("--strict", action="store_true", help="warnings count as failures")
    options.add_coordinator(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(func=_later("fedbed.cli.doctor", "fleet"))


def register_nodes(subparsers: Subparsers) -> None:
    """Add `fedbed nodes`."""
    parser = subparsers.add_parser(
        "nodes",
        help="list a coordinator's nodes; show, drain, resume or remove one",
        description="List the nodes of a coordinator, look at one, or change what it may do.",
        epilog="actions:\n"
        "  list           all nodes with their state (default)\n"
        "  show NAME      what it is, what it was refused, and the runs that it took part in\n"
        "  drain NAME     give the node no new work; what it has, it finishes\n"
        "  resume NAME    forgive its offences and give it work again\n"
        "  remove NAME    strike it off the books: its credential is void, its name is free",
    )
    actions = ["list", "show", "drain", "resume", "remove"]
    parser.add_argument("action", nargs="?", choices=actions, default="list", metavar="ACTION")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the node's name")
    options.add_coordinator(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(func=_later("fedbed.cli.nodes", "nodes"))


def register_runs(subparsers: Subparsers) -> None:
    """Add `fedbed runs`."""
    parser = subparsers.add_parser(
        "runs",
        help="list a coordinator's runs; show, watch, stop or fetch one",
        description="List the runs of a coordinator, or do something with one.",
        epilog="actions:\n"
        "  list        the newest runs (default)\n"
        "  show ID     one run with its rounds, and what it waits for\n"
        "  watch ID    follow it live; Ctrl-C stops the watching, not the run\n"
        "  stop ID     stop it for good; what its rounds have produced stays\n"
        "  fetch ID    download its result files\n"
        "ID may be `latest`.",
    )
    actions = ["list", "show", "watch", "stop", "fetch"]
    parser.add_argument("action", nargs="?", choices=actions, default="list", metavar="ACTION")
    parser.add_argument("id", nargs="?", metavar="ID", help="the run's id, or `latest`")
    options.add_coordinator(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options.add_output(parser)
    parser.set_defaults(func=_later("fedbed.cli.runs", "runs"))


def register_enrol(subparsers: Subparsers) -> None:
    """Add `fedbed enrol`."""
    parser = subparsers.add_parser(
        "enrol",
        help="make a token that lets new nodes in; list or revoke such tokens",
        description="Make an enrolment token. A new node trades it for a credential of its own "
        "(`fedbed agent --enrol-file FILE`); after that the token is of no use to anybody.",
        epilog="examples:\n"
        "  fedbed enrol pi-01 --output pi-01.token   for one node of that name, within a day\n"
        "  fedbed enrol --uses 20 --expires 2h       for any twenty nodes\n"
        "  fedbed enrol --list\n"
        "  fedbed enrol --revoke e-1f2e3d4c",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only for nodes of these names")
    parser.add_argument(
        "--uses",
        type=count,
        metavar="N",
        help="how many nodes it lets in (default: 1, or one each)",
    )
    parser.add_argument(
        "--expires", default="24h", metavar="TIME", help="as in 30m, 24h, 7d (default: %(default)s)"
    )
    parser.add_argument("--label", default="", help="a note for the list")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write the token there, for its owner's eyes"
    )
    parser.add_argument("--list", action="store_true", help="list the tokens and their state")
    parser.add_argument("--revoke", metavar="ID", help="let nobody else in with this token")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options.add_coordinator(parser)
    parser.set_defaults(func=_later("fedbed.cli.access", "enrol"))


def register_access(subparsers: Subparsers) -> None:
    """Add `fedbed access`."""
    parser = subparsers.add_parser(
        "access",
        help="give people and scripts access to a coordinator, or take it away",
        description="Who may do what at a coordinator that asks for tokens.",
        epilog="actions:\n"
        "  list           all who have access (default)\n"
        "  add NAME       give access; prints the token, once\n"
        "  remove NAME    take it away: the token is void at once\n"
        "roles:\n"
        "  viewer         sees nodes, runs and results\n"
        "  operator       submits and stops runs, drains nodes as well\n"
        "  admin          enrols and removes nodes, gives access as well",
    )
    actions = ["list", "add", "remove"]
    parser.add_argument("action", nargs="?", choices=actions, default="list", metavar="ACTION")
    parser.add_argument("name", nargs="?", metavar="NAME", help="a person's or script's name")
    roles = ["viewer", "operator", "admin"]
    parser.add_argument(
        "--role", choices=roles, default="viewer", metavar="ROLE", help="default: %(default)s"
    )
    parser.add_argument("--expires", metavar="TIME", help="as in 8h, 30d (default: never)")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write the token there, for its owner's eyes"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options.add_coordinator(parser)
    parser.set_defaults(func=_later("fedbed.cli.access", "access"))


def register_ca(subparsers: Subparsers) -> None:
    """Add `fedbed ca`."""
    parser = subparsers.add_parser(
        "ca",
        help="make a lab's own certificate authority, issue and show certificates",
        description="Make the certificates that let nodes and coordinator speak TLS: a certificate "
        "authority (CA) of the lab's own, which nodes trust, and with it the coordinator's.",
        epilog="actions:\n"
        "  make [DIR]         make a CA in a folder\n"
        "  issue HOST ...     issue a server certificate for DNS names and IP addresses\n"
        "  show [FILE|DIR]    say who a certificate is, for which names and until when\n"
        "examples:\n"
        "  fedbed ca make\n"
        "  fedbed ca issue pc.local 192.168.1.5",
    )
    actions = ["make", "issue", "show"]
    parser.add_argument("action", choices=actions, metavar="ACTION", help="make, issue or show")
    parser.add_argument(
        "words", nargs="*", default=[], metavar="ARGUMENT", help="what the action asks for"
    )
    parser.add_argument(
        "--dir",
        type=Path,
        default=Path("fedbed-ca"),
        metavar="DIR",
        help="the CA's folder (default: %(default)s)",
    )
    parser.add_argument(
        "--days",
        type=options.days,
        default=825,
        metavar="N",
        help="issue: valid so long (default: 825)",
    )
    parser.set_defaults(func=_later("fedbed.cli.ca", "ca"))


def _later(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """Return a function that imports the command's module, and complains in a line if it can't."""

    def call(args: argparse.Namespace) -> int:
        if sys.version_info < (3, 11):
            raise RequirementMissing(
                f"`fedbed {args.command}` needs Python 3.11 or newer, and this is "
                f"{sys.version.split()[0]}: install fedbed[coordinator] under a newer one"
            )
        try:
            command = importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise RequirementMissing(
                f"`fedbed {args.command}` needs the package {error.name}: "
                "pip install 'fedbed[coordinator]'"
            ) from error
        code: int = getattr(command, function)(args)
        return code

    return call
