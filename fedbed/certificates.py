"""Certificates and keys of servers and their authorities: read, described, checked.

A folder that `fedbed ca` made holds `ca.pem` and `ca.key`, and once a server has one, `server.pem`
and `server.key`; `fedbed.authority` makes them.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from fedbed.errors import Untrusted, UsageError

CA_CERTIFICATE, CA_KEY = "ca.pem", "ca.key"
CERTIFICATE, KEY = "server.pem", "server.key"


@dataclass(frozen=True)
class Description:
    """What a certificate says of itself; times are in UTC, `fingerprint` is SHA-256 in hex."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    is_ca: bool
    not_before: datetime.datetime
    not_after: datetime.datetime
    fingerprint: str

    def left(self, now: datetime.datetime) -> datetime.timedelta:
        """How long it is still valid; negative when it has expired."""
        return self.not_after - now


def load(path: Path) -> list[x509.Certificate]:
    """Read the certificates of a PEM file, at least one; Untrusted if it has none."""
    try:
        return x509.load_pem_x509_certificates(_read(path))
    except ValueError as error:
        raise Untrusted(f"'{path}' holds no certificate in PEM form") from error


def load_key(path: Path) -> PrivateKeyTypes:
    """Read an unencrypted private key of a PEM file; Untrusted if it has none."""
    try:
        return serialization.load_pem_private_key(_read(path), None)
    except TypeError as error:
        raise Untrusted(
            f"the key in '{path}' is encrypted, and nobody is there to ask for its password"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Untrusted(f"'{path}' holds no private key in PEM form") from error


def describe(certificate: x509.Certificate) -> Description:
    """Return what a certificate says of itself."""
    return Description(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=_names(certificate),
        is_ca=_is_ca(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":"),
    )


def check_pair(
    certificate_path: Path, key_path: Path, now: datetime.datetime | None = None
) -> Description:
    """Check that a server can be run with this certificate and key; returns what it says.

    Raises Untrusted if they don't belong together or aren't valid now, UsageError if one is
    missing or can't be read.
    """
    now = now or utc_now()
    certificate = load(certificate_path)[0]
    if not belongs(certificate, load_key(key_path)):
        raise Untrusted(f"'{key_path}' is not the key of the certificate in '{certificate_path}'")
    found = describe(certificate)
    if found.not_after <= now:
        raise Untrusted(
            f"the certificate in '{certificate_path}' has expired on {found.not_after:%Y-%m-%d}: "
            "issue a new one (`fedbed ca issue`)"
        )
    if found.not_before > now:
        raise Untrusted(
            f"the certificate in '{certificate_path}' is valid from {found.not_before:%Y-%m-%d}, "
            f"and this machine's clock says {now:%Y-%m-%d}: set the clock, or issue a new one"
        )
    return found


def check_issuer(folder: Path) -> None:
    """Untrusted unless the folder's server certificate was issued by the folder's CA."""
    ca, server = load(folder / CA_CERTIFICATE)[0], load(folder / CERTIFICATE)[0]
    try:
        server.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise Untrusted(
            f"'{folder / CERTIFICATE}' was not issued by '{folder / CA_CERTIFICATE}', which nodes "
            "trust: issue a new one (`fedbed ca issue`)"
        ) from error


def belongs(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    """Whether `key` is the private key to a certificate's public one."""
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)


def utc_now() -> datetime.datetime:
    """Return the time by this machine's clock."""
    return datetime.datetime.now(datetime.timezone.utc)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    dns = found.get_values_for_type(x509.DNSName)
    addresses = found.get_values_for_type(x509.IPAddress)
    return (*dns, *(str(address) for address in addresses))


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"'{path}' can't be read ({error.strerror or error})") from error
