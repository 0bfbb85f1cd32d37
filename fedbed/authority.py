"""A lab's own certificate authority (CA), and the server certificates that it issues.

Nodes are given `ca.pem`; the two keys stay where they are, readable by their owner alone.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedbed.certificates import (
    CA_CERTIFICATE,
    CA_KEY,
    CERTIFICATE,
    KEY,
    Description,
    belongs,
    describe,
    load,
    load_key,
    utc_now,
)
from fedbed.disk import sync_folder
from fedbed.errors import FedbedError, Untrusted, UsageError

CA_DAYS = 3650
SERVER_DAYS = 825
"""The longest that common browsers accept."""
BACKDATED = datetime.timedelta(days=1)
"""Clocks differ, and a board that is a bit behind must not wait until the hour has come."""
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DNS_NAME = re.compile(rf"(\*\.)?({_LABEL}\.)*(?![0-9]+\.?$){_LABEL}\.?")
"""The last part is no number: that would be an IP address with a mistake in it."""
_COMMON_NAME_LENGTH = 64


def make_ca(folder: Path, now: datetime.datetime | None = None) -> Description:
    """Make a CA in `folder`, which is made if needed.

    Raises UsageError if one is there, FedbedError if the folder can't be written.
    """
    for name in (CA_CERTIFICATE, CA_KEY):
        if (folder / name).exists():
            raise UsageError(
                f"there is a CA in '{folder}' already ({name}): every node that trusts it would "
                "have to be given the new one; choose another folder, or remove it first"
            )
    now = now or utc_now()
    key = ec.generate_private_key(ec.SECP256R1())
    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # A name of its own for each: what two CAs have issued is told apart by name.
    own_name = _name(f"fedbed lab CA {own_id.digest.hex()[:8]}")
    certificate = (
        _builder(own_name, own_name, key.public_key(), now, now + datetime.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier(own_id.digest, None, None), critical=False)
        .sign(key, hashes.SHA256())
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    _write_pair(folder / CA_CERTIFICATE, certificate, folder / CA_KEY, key)
    return describe(certificate)


def issue(
    folder: Path,
    hosts: Sequence[str],
    days: int = SERVER_DAYS,
    now: datetime.datetime | None = None,
) -> Description:
    """Issue a server certificate for `hosts`, DNS names and IP addresses, with the folder's CA.

    It replaces the folder's earlier one, and ends with the CA at the latest. Raises UsageError for
    a host that can't be one or a folder without CA, Untrusted if the CA can't be used (any more).
    """
    now = now or utc_now()
    names = [general_name(host) for host in dict.fromkeys(hosts)]
    if not names:
        raise UsageError("name at least one host: a DNS name or an IP address that nodes call")
    ca = load(folder / CA_CERTIFICATE)[0]
    ca_key = load_key(folder / CA_KEY)
    if not belongs(ca, ca_key) or not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise Untrusted(f"'{folder / CA_KEY}' is not the key of '{folder / CA_CERTIFICATE}'")
    if ca.not_valid_after_utc <= now:
        raise Untrusted(
            f"the CA in '{folder}' has expired on {ca.not_valid_after_utc:%Y-%m-%d}: "
            "make a new one with `fedbed ca make`, and give it to the nodes"
        )
    key = ec.generate_private_key(ec.SECP256R1())
    common = hosts[0] if len(hosts[0]) <= _COMMON_NAME_LENGTH else "fedbed coordinator"
    end = min(now + datetime.timedelta(days=days), ca.not_valid_after_utc)
    certificate = (
        _builder(_name(common), ca.subject, key.public_key(), now, end)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_id_of_issuer(ca), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write_pair(folder / CERTIFICATE, certificate, folder / KEY, key)
    return describe(certificate)


def general_name(host: str) -> x509.GeneralName:
    """Return a host as certificates name it; UsageError if nobody could call it by that."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if len(host) > 253 or not _DNS_NAME.fullmatch(host):
            raise UsageError(
                f"'{host}' is neither a DNS name nor an IP address "
                "(give what stands between https:// and the port)"
            ) from None
        return x509.DNSName(host.rstrip("."))
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        raise UsageError(f"'{host}' holds only on this machine: leave out '%{address.scope_id}'")
    if address.is_unspecified:
        raise UsageError(f"'{host}' means all addresses of a machine: name those that nodes call")
    return x509.IPAddress(address)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _id_of_issuer(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        known = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        known = x509.SubjectKeyIdentifier.from_public_key(ca.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)


def _write_pair(
    certificate_path: Path,
    certificate: x509.Certificate,
    key_path: Path,
    key: ec.EllipticCurvePrivateKey,
) -> None:
    """Write both or, where the disk fails, neither; FedbedError then.

    The key first: a certificate that is there has its key.
    """
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    temporaries = [path.with_name(f".{path.name}.new") for path in (key_path, certificate_path)]
    try:
        _write(temporaries[0], secret, 0o600)
        _write(temporaries[1], certificate.public_bytes(pem), 0o644)
        temporaries[0].replace(key_path)
        temporaries[1].replace(certificate_path)
        sync_folder(key_path.parent)
    except OSError as error:
        raise _unwritable(key_path.parent, error) from error
    finally:
        _remove(temporaries)


def _write(path: Path, data: bytes, mode: int) -> None:
    _remove([path])  # what an interrupted try has left may have another mode
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError) -> FedbedError:
    return FedbedError(f"'{folder}' can't be written ({error.strerror or error})")
