"""`make secrets`: what the composed lab keeps to itself, made up once. Standard library only.

It writes `.env`, which Docker Compose reads, and the broker's password file, which holds hashes.
Nothing here has a default that somebody else could know.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fedbed.cli.parser import Parser
from fedbed.disk import write_secret
from fedbed.errors import FedbedError, UsageError
from fedbed.lab import passwords

ENVIRONMENT = Path(".env")
PASSWORDS = Path("monitoring") / "mosquitto" / "passwords"
BOARDS = Path("boards")
"""A folder for each board that was let in, with what has to be taken there."""
MOST_AGENTS = 64
"""Composed agents that the broker knows: `--scale agent=64` at the most."""
_SECRET_BYTES = 32
_DOCKER_SOCKET = Path("/var/run/docker.sock")

SECRETS = (
    ("INFLUX_ADMIN_PASSWORD", "InfluxDB's own page, user admin"),
    ("INFLUX_TOKEN", "InfluxDB: the coordinator and Telegraf write with it"),
    ("INFLUX_READER_PASSWORD", "InfluxDB: Grafana reads with it, and can do nothing else"),
    ("GRAFANA_ADMIN_PASSWORD", "Grafana, user admin; used once, at the first start"),
    ("GRAFANA_SECRET_KEY", "Grafana encrypts with it what it keeps"),
    ("MQTT_COORDINATOR_PASSWORD", "broker, user coordinator"),
    ("MQTT_TELEGRAF_PASSWORD", "broker, user telegraf"),
    ("MQTT_OPERATOR_PASSWORD", "broker, user operator: may send commands to nodes"),
    ("MQTT_PLUGS_PASSWORD", "broker, user plugs: smart plugs, which can't speak as nodes"),
    ("MQTT_AGENT_PASSWORD", "broker, users agent-1, agent-2, ...: the composed agents"),
)
"""Variables with a random value each, and who shows it where."""


@dataclass(frozen=True)
class Machine:
    """What of this machine goes into the settings."""

    name: str
    hosts: tuple[str, ...]
    """Names and addresses by which boards may call it."""
    cores: int
    docker_group: int
    """Group that may speak to Docker's socket; 0 without one."""


def settings(machine: Machine) -> dict[str, tuple[str, str]]:
    """Return what people may change: for each variable its value and what it is for."""
    return {
        "FEDBED_LAB": (machine.name, "this machine's name in the dashboards"),
        "FEDBED_ADDRESS": (
            "127.0.0.1",
            "where coordinator and broker listen; 0.0.0.0 lets boards in, by TLS and tokens",
        ),
        "FEDBED_HOSTS": (
            ",".join(machine.hosts),
            "names and addresses by which boards call this machine: certificates are for these",
        ),
        "FEDBED_AGENTS": ("2", f"composed agents, {MOST_AGENTS} at most"),
        "FEDBED_AGENT_CPUS": ("1.0", "cores for each of them"),
        "FEDBED_AGENT_THREADS": ("1", "threads that each computes with: its cores, rounded down"),
        "FEDBED_AGENT_MEMORY": ("1g", "memory for each; a torch worker takes 400 MB and more"),
        "FEDBED_COORDINATOR_CPUS": (f"{min(2, machine.cores)}.0", "cores; twins train there, too"),
        "GRAFANA_ADDRESS": ("127.0.0.1", "where Grafana listens; read docs/compose.md first"),
        "GRAFANA_PROTOCOL": ("http", "https: with a certificate of the lab's own CA"),
        "COMPOSE_PROFILES": (
            "containers",
            "containers: Telegraf asks Docker what containers use; empty: it gets no such access",
        ),
        "DOCKER_GROUP": (str(machine.docker_group), "of /var/run/docker.sock: stat -c %g"),
    }


def text(machine: Machine, values: Mapping[str, str]) -> str:
    """Return the content of `.env`. values: those of SECRETS."""
    lines = ["# Written by `make secrets`. docs/compose.md tells of it. Keep it to yourself.", ""]
    for name, (value, meaning) in settings(machine).items():
        lines += [f"# {meaning}", f"{name}={value}"]
    lines += ["", "# Secrets. Services that run know them: a new value here alone locks them out."]
    for name, meaning in SECRETS:
        lines += [f"# {meaning}", f"{name}={values[name]}"]
    return "\n".join([*lines, ""])


def users(values: Mapping[str, str]) -> dict[str, str]:
    """Return the broker's users and their passwords.

    A node's user has the node's name, under which alone the access list lets it speak.
    """
    people = {
        name: values[f"MQTT_{name.upper()}_PASSWORD"]
        for name in ("coordinator", "telegraf", "operator", "plugs")
    }
    agents = {f"agent-{n}": values["MQTT_AGENT_PASSWORD"] for n in range(1, MOST_AGENTS + 1)}
    return {**people, **agents}


def write(folder: Path, machine: Machine, force: bool = False) -> None:
    """Write both files; UsageError if `.env` is there and `force` isn't said, or for no access."""
    environment = folder / ENVIRONMENT
    if environment.exists() and not force:
        raise UsageError(
            f"'{environment}' is there already, and what has been set up knows its secrets: "
            "leave it, or remove it together with what it was made for "
            "(`docker compose down --volumes` deletes all runs and measurements)"
        )
    values = {name: secrets.token_hex(_SECRET_BYTES) for name, _ in SECRETS}
    try:
        (folder / PASSWORDS).parent.mkdir(parents=True, exist_ok=True)
        write_secret(folder / PASSWORDS, passwords.table(users(values)))
        # Last: where there is a .env, there are passwords.
        write_secret(environment, text(machine, values))
    except OSError as error:
        raise _unwritable(error) from error


def add_board(folder: Path, node: str) -> Path:
    """Let a board of the name `node` speak to the broker; returns the file with its password.

    UsageError for a name that won't do, one that is known, or before `write`.
    """
    table, output = folder / PASSWORDS, folder / BOARDS / node / "broker.password"
    password = secrets.token_hex(_SECRET_BYTES)
    try:
        line = passwords.line(node, password)
        known = table.read_text()
        if re.search(rf"^{re.escape(node)}:", known, re.MULTILINE):
            raise UsageError(f"the broker knows '{node}' already: remove its line from '{table}'")
        output.parent.mkdir(parents=True, exist_ok=True)
        write_secret(output, password + "\n")
        write_secret(table, f"{known}{line}\n")
    except FileNotFoundError as error:
        raise UsageError(f"there is no '{table}': run `make secrets` first") from error
    except OSError as error:
        raise _unwritable(error) from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    return output


def this_machine() -> Machine:
    """Look at this machine; where it can't be told, its name and 127.0.0.1 remain."""
    name = socket.gethostname()
    hosts = [name, *([] if "." in name else [f"{name}.local"]), *_address()]
    group = _DOCKER_SOCKET.stat().st_gid if _DOCKER_SOCKET.exists() else 0
    return Machine(name.partition(".")[0], tuple(hosts), os.cpu_count() or 1, group)


def _unwritable(error: OSError) -> UsageError:
    return UsageError(f"'{error.filename}' can't be read or written ({error.strerror})")


def _address() -> list[str]:
    """Return the address from which this machine would speak to others; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: nobody has it
        except OSError:
            return []
        return [str(probe.getsockname()[0])]


def main(argv: list[str]) -> int:
    """Write the secrets, or add a board's; returns the exit code."""
    parser = Parser(own_program=True, prog="make secrets", description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path(), help="where docker-compose.yml is")
    parser.add_argument("--force", action="store_true", help="overwrite a .env that is there")
    parser.add_argument("--board", metavar="NAME", help="let a board speak to the broker instead")
    args = parser.parse_args(argv)
    if args.board:
        print(f"wrote {add_board(args.folder, args.board)}")
        return 0
    write(args.folder, this_machine(), args.force)
    print(f"wrote {ENVIRONMENT} and {PASSWORDS}; next: make up")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except FedbedError as error:
        sys.stderr.write(f"make secrets: {error}\n")
        sys.exit(error.exit_code)
