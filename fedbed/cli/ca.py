"""`fedbed ca`: a lab's own certificate authority."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedbed import authority, certificates
from fedbed.certificates import CA_CERTIFICATE, CERTIFICATE, Description
from fedbed.errors import UsageError


def ca(args: argparse.Namespace) -> int:
    """Make a CA, issue a server certificate with it, or show what a certificate says."""
    if args.action == "issue":
        return _issue(args)
    if len(args.words) > 1:
        raise UsageError(f"ca {args.action}: '{args.words[1]}' is one argument too many")
    if args.action == "make":
        return _make(Path(args.words[0]) if args.words else args.dir)
    return _show(Path(args.words[0]) if args.words else args.dir)


def _make(folder: Path) -> int:
    made = authority.make_ca(folder)
    print(f"made {folder / CA_CERTIFICATE}, which nodes are given, and its key, which stays here")
    _tell(made)
    print(f"next: fedbed coordinator --host 0.0.0.0 --tls {folder}")
    print(f"      fedbed agent --coordinator https://HOST:8470 --ca {CA_CERTIFICATE}")
    return 0


def _issue(args: argparse.Namespace) -> int:
    if not args.words:
        raise UsageError("ca issue: for which host? fedbed ca issue HOST [HOST ...]")
    issued = authority.issue(args.dir, args.words, args.days)
    print(f"issued {args.dir / CERTIFICATE}")
    _tell(issued)
    print(f"next: fedbed coordinator --host 0.0.0.0 --tls {args.dir}")
    return 0


def _show(path: Path) -> int:
    files = [path]
    if path.is_dir():
        files = [path / name for name in (CA_CERTIFICATE, CERTIFICATE) if (path / name).is_file()]
        if not files:
            raise UsageError(f"there is no {CA_CERTIFICATE} and no {CERTIFICATE} in '{path}'")
    for file in files:
        for certificate in certificates.load(file):
            print(file)
            _tell(certificates.describe(certificate))
    return 0


def _tell(found: Description) -> None:
    days = found.left(certificates.utc_now()).days
    rows = [
        ("who", found.subject + (" (a CA)" if found.is_ca else "")),
        ("issued by", "itself" if found.issuer == found.subject else found.issuer),
        ("for", ", ".join(found.names)),
        ("valid", f"{found.not_before:%Y-%m-%d} to {found.not_after:%Y-%m-%d} UTC, {_left(days)}"),
        ("sha-256", found.fingerprint),
    ]
    for title, text in rows:
        if text:
            print(f"  {title:<11}{text}")


def _left(days: int) -> str:
    return f"{days} days left" if days >= 0 else "expired"
