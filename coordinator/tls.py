"""What the coordinator shows of itself: its certificate, checked, and issued where it may be."""

from __future__ import annotations

import datetime
import ipaddress
import logging
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

import psutil

from coordinator.settings import Settings
from fedbed import authority, certificates
from fedbed.certificates import CA_CERTIFICATE, CA_KEY, CERTIFICATE, KEY, Description
from fedbed.errors import Untrusted, UsageError

log = logging.getLogger("fedbed")
RENEW = datetime.timedelta(days=30)
"""A certificate with less time left is issued anew, or warned of where that can't be done here."""


def server_context(settings: Settings) -> ssl.SSLContext:
    """Return how to serve TLS, 1.2 at least, as the settings ask for.

    Raises UsageError for files that can't be read, Untrusted for a certificate that nobody would
    or should trust: expired, not the key's, or not the CA's that nodes are given.
    """
    certificate, key = settings.tls_cert, settings.tls_key
    if settings.tls_dir is not None:
        certificate, key = settings.tls_dir / CERTIFICATE, settings.tls_dir / KEY
        prepare(settings.tls_dir, names_here(settings.host))
    if certificate is None or key is None:
        raise UsageError("--tls-cert and --tls-key: give both, or --tls")
    found = certificates.check_pair(certificate, key)
    _tell(certificate, found)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Nodes keep their connections and resume none, so tickets would only cost.
    context.num_tickets = 0
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise Untrusted(f"TLS can't be served with '{certificate}': {error.reason}") from error
    return context


def prepare(folder: Path, names: Sequence[str], now: datetime.datetime | None = None) -> None:
    """Issue a server certificate in a CA's folder if it has none or one that ends soon.

    Raises UsageError for a folder without CA, Untrusted if its CA has expired or is another's.
    """
    now = now or certificates.utc_now()
    if not (folder / CA_CERTIFICATE).is_file():
        raise UsageError(
            f"--tls: there is no CA in '{folder}' ({CA_CERTIFICATE}): make one with "
            f"`fedbed ca make {folder}`, or give other certificates with --tls-cert and --tls-key"
        )
    has_key = (folder / CA_KEY).is_file()
    if not (folder / CERTIFICATE).is_file():
        if not has_key:
            raise UsageError(
                f"--tls: '{folder}' has neither {CERTIFICATE} nor {CA_KEY} to issue one with: "
                "issue it where the CA's key is (`fedbed ca issue`), and copy it here"
            )
        _issue(folder, names, now)
    elif has_key:
        former = certificates.describe(certificates.load(folder / CERTIFICATE)[0])
        if former.left(now) < RENEW:
            _issue(folder, [*former.names, *names], now)
    certificates.check_issuer(folder)


def names_here(host: str) -> list[str]:
    """Return the names and addresses by which nodes may call this machine, `host` first."""
    own = socket.gethostname()
    names = [host, own, socket.getfqdn()]
    if "." not in own:
        names.append(f"{own}.local")  # as boards find it by multicast DNS
    addresses = [entry.address for entries in psutil.net_if_addrs().values() for entry in entries]
    return callable_names([*names, "localhost", "127.0.0.1", "::1", *sorted(addresses)])


def callable_names(candidates: Sequence[str]) -> list[str]:
    """Return, each once, those that a certificate can be for: no wildcard or link-local address."""
    found = []
    for name in dict.fromkeys(candidates):
        try:
            if ipaddress.ip_address(name).is_link_local:
                continue
        except ValueError:
            pass
        try:
            authority.general_name(name)
        except UsageError:  # 0.0.0.0, or the hardware address of an interface
            continue
        found.append(name)
    return found


def _issue(folder: Path, names: Sequence[str], now: datetime.datetime) -> None:
    issued = authority.issue(folder, names, now=now)
    log.info("issued %s for %s", folder / CERTIFICATE, ", ".join(issued.names))


def _tell(path: Path, found: Description) -> None:
    left = found.left(certificates.utc_now())
    if left < RENEW:
        log.warning(
            "the certificate in '%s' expires in %d days, on %s: issue a new one, or this "
            "coordinator won't start any more",
            path,
            left.days,
            f"{found.not_after:%Y-%m-%d}",
        )
    log.info("certificate for %s, until %s", ", ".join(found.names), f"{found.not_after:%Y-%m-%d}")
