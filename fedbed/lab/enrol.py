"""Let the composed agents in: a fresh enrolment token at each start of the lab.

    python -m fedbed.lab.enrol --output /run/enrolment/agents.token

Who has been let in before needs none. So that a token that got out is of little use, it is for the
composed agents' names alone, ends within a day, and is revoked at the next start.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fedbed import secret
from fedbed.cli.parser import Parser
from fedbed.client import Client
from fedbed.disk import write_secret
from fedbed.errors import FedbedError, UsageError
from fedbed.lab.environment import MOST_AGENTS

LABEL = "composed agents"
EXPIRES_S = 86_400.0


def enrol(client: Client, output: Path) -> None:
    """Revoke the token of the last start and write a new one; UsageError if it can't be written.

    Raises what the coordinator refuses with.
    """
    for enrolment in client.enrolments():
        if enrolment["label"] == LABEL and enrolment["state"] == "valid":
            client.revoke(enrolment["id"])
    names = [f"agent-{number}" for number in range(1, MOST_AGENTS + 1)]
    # Twice: an agent whose state folder is gone is a new node, once the former is removed.
    made = client.enrol(uses=2 * len(names), expires_s=EXPIRES_S, names=names, label=LABEL)
    try:
        write_secret(output, f"{made['token']}\n")
    except OSError as error:
        raise UsageError(f"--output: can't write '{output}' ({error.strerror})") from error


def main(argv: list[str]) -> int:
    """Enrol at $FEDBED_COORDINATOR, with $FEDBED_CA and $FEDBED_TOKEN_FILE; the exit code."""
    parser = Parser(own_program=True, prog="enrol", description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    args = parser.parse_args(argv)
    url, ca, token_file = (
        os.environ[name] for name in ("FEDBED_COORDINATOR", "FEDBED_CA", "FEDBED_TOKEN_FILE")
    )
    try:
        token = secret.read(Path(token_file), "$FEDBED_TOKEN_FILE")
    except OSError as error:
        raise UsageError(f"'{token_file}' can't be read ({error.strerror})") from error
    with Client(url, token=token, ca=Path(ca)) as client:
        enrol(client, args.output)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except FedbedError as error:
        sys.stderr.write(f"enrol: {error}\n")
        sys.exit(error.exit_code)
