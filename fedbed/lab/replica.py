"""A composed agent: finds out which of the replicas it is, and becomes that node's agent.

Replicas share everything but their number, which Docker's name server tells: the address of a
container leads to `PROJECT-agent-2.NETWORK`, or `PROJECT_agent_2.NETWORK` from older releases. The
node is called agent-2 then, in the fleet and at the broker, and its state lies in a folder of that
name, which outlives the container. Elsewhere the container's hostname is the node's name.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

_REPLICA = re.compile(r"(?:^|[-_])agent[-_]([1-9][0-9]*)(?:\.|$)")
_ASK_S = 10.0


def name(known_as: str, hostname: str) -> str:
    """Return the node's name. known_as: what the name server calls the container, or nothing."""
    match = _REPLICA.search(known_as)
    return f"agent-{match.group(1)}" if match else hostname


def command(node: str, states: Path, threads: str, broker_ca: str) -> list[str]:
    """Return the agent's arguments. broker_ca: empty without a broker."""
    found = ["--name", node, "--state-dir", str(states / node), "--threads", threads]
    return [*found, "--broker-ca", broker_ca] if broker_ca else found


def main() -> None:
    """Become the agent; what isn't said here it takes from its environment."""
    hostname = socket.gethostname()
    node = name(_known_as(hostname), hostname)
    environment = os.environ
    broker_ca = environment["FEDBED_CA"] if environment.get("FEDBED_BROKER") else ""
    arguments = command(
        node,
        Path(environment.get("FEDBED_STATES", "/var/lib/fedbed")),
        environment.get("OMP_NUM_THREADS", "1"),
        broker_ca,
    )
    os.execv(sys.executable, [sys.executable, "-m", "edge_agent", *arguments])  # nosec B606 # us


def _known_as(hostname: str) -> str:
    """Ask the name server alone: the hosts file knows no more than the container's id.

    Returns nothing where there is none.
    """
    try:
        address = socket.gethostbyname(hostname)
        asked = subprocess.run(  # nosec B603 B607 # the image's own program
            ["getent", "-s", "dns", "hosts", address],
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (asked.stdout.split() or [""])[-1]


if __name__ == "__main__":
    main()
