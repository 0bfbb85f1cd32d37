"""What the composed lab's first container does: certificates, and files for users of their own.

    python -m fedbed.lab.prepare --from /monitoring --to /lab

It makes the lab's CA once, and looks at each start whether the certificates are still good. It is
the only one that holds the CA's key, it has no network, and it ends before the others start.
Key files belong to the user that their service runs as, which is why this one begins as root.
"""

from __future__ import annotations

import datetime
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedbed import authority, certificates
from fedbed.certificates import CA_CERTIFICATE, CERTIFICATE, KEY
from fedbed.cli.parser import Parser
from fedbed.errors import FedbedError, UsageError

CA = Path("ca")
"""The CA's folder, which no other service sees."""
TRUST = Path("trust")
"""Holds what everybody may know: the CA's certificate."""
RENEW = datetime.timedelta(days=90)
"""A certificate with less time left is issued anew: the lab may stay up for long."""
BROKER_FILES = ("mosquitto.conf", "acl", "passwords")
BROKER_CONFIG = Path("broker")
LOCAL = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Service:
    """Who serves TLS: its name on the lab's network, and the user that its image runs as."""

    name: str
    user: int


# Users as docker/Dockerfile and the two images of others have them.
COORDINATOR, BROKER, BOARDS = (
    Service("coordinator", 10001),
    Service("mosquitto", 1883),
    Service("grafana", 472),
)


def prepare(source: Path, target: Path, hosts: Sequence[str], own: bool = True) -> list[str]:
    """Bring all folders into order; returns a sentence for each thing that was done.

    own: give files to their services' users, for which one must be root. Raises UsageError for a
    file that is missing or can't be written, or a host that can't be one; Untrusted for a CA that
    can't be used any more.
    """
    done = []
    ca = target / CA
    if not (ca / CA_CERTIFICATE).is_file():
        authority.make_ca(ca)
        done.append("made the lab's CA")
    try:
        _copy(ca / CA_CERTIFICATE, target / TRUST / CA_CERTIFICATE, 0o444, None)
        for service in (COORDINATOR, BROKER, BOARDS):
            folder, owner = target / service.name, service.user if own else None
            names = [service.name, *LOCAL, *hosts]
            if _is_due(folder, ca, names):
                issued = authority.issue(ca, names)
                for name, mode in ((CA_CERTIFICATE, 0o444), (KEY, 0o400), (CERTIFICATE, 0o444)):
                    _copy(ca / name, folder / name, mode, owner)
                done.append(f"issued {service.name}'s certificate for {', '.join(issued.names)}")
        owner = BROKER.user if own else None
        for name in BROKER_FILES:
            _copy(source / BROKER.name / name, target / BROKER_CONFIG / name, 0o400, owner)
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from error
    return done


def _is_due(folder: Path, ca: Path, names: Sequence[str]) -> bool:
    """Whether a service lacks a certificate for `names`, of this CA, that is good for long."""
    if not all((folder / name).is_file() for name in (CERTIFICATE, KEY, CA_CERTIFICATE)):
        return True
    if (folder / CA_CERTIFICATE).read_bytes() != (ca / CA_CERTIFICATE).read_bytes():
        return True
    found = certificates.describe(certificates.load(folder / CERTIFICATE)[0])
    return not set(names) <= set(found.names) or found.left(certificates.utc_now()) < RENEW


def _copy(source: Path, target: Path, mode: int, owner: int | None) -> None:
    """Copy a file, whole or not at all, to one that only `owner` (None: us) may write."""
    temporary = target.with_name(f".{target.name}.new")
    temporary.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out, source.open("rb") as file:
        shutil.copyfileobj(file, out)
        os.fchmod(out.fileno(), mode)
        if owner is not None:
            os.fchown(out.fileno(), owner, owner)
    temporary.replace(target)


def main(argv: list[str]) -> int:
    """Prepare what $FEDBED_HOSTS and the flags say; returns the exit code."""
    parser = Parser(own_program=True, prog="prepare", description=__doc__.split("\n")[0])
    parser.add_argument("--from", dest="source", type=Path, required=True, metavar="DIR")
    parser.add_argument("--to", dest="target", type=Path, required=True, metavar="DIR")
    args = parser.parse_args(argv)
    hosts = [host.strip() for host in os.environ.get("FEDBED_HOSTS", "").split(",")]
    for sentence in prepare(args.source, args.target, [host for host in hosts if host]):
        print(sentence)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except FedbedError as error:
        sys.stderr.write(f"prepare: {error}\n")
        sys.exit(error.exit_code)
