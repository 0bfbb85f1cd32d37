"""Reading and checking certificates; `test_authority.py` is about making them."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from fedbed import authority, certificates
from fedbed.errors import Untrusted, UsageError

DAY = datetime.timedelta(days=1)
NOW = certificates.utc_now()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    authority.make_ca(tmp_path)
    authority.issue(tmp_path, ["pc.local", "192.168.1.5"], days=100)
    return tmp_path


def check(folder: Path, now: datetime.datetime = NOW) -> certificates.Description:
    return certificates.check_pair(folder / "server.pem", folder / "server.key", now)


def test_a_pair_that_belongs_together(folder: Path) -> None:
    found = check(folder)
    assert found.names == ("pc.local", "192.168.1.5")
    assert not found.is_ca
    assert 99 <= found.left(NOW).days <= 100
    certificates.check_issuer(folder)


@pytest.mark.parametrize(
    ("now", "why"),
    [(NOW + 101 * DAY, "has expired on"), (NOW - 2 * DAY, "this machine's clock says")],
)
def test_dates(folder: Path, now: datetime.datetime, why: str) -> None:
    with pytest.raises(Untrusted, match=why):
        check(folder, now)


def test_a_foreign_key_and_a_foreign_ca(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    authority.make_ca(other)
    authority.issue(other, ["pc.local"])
    with pytest.raises(Untrusted, match=r"server.key' is not the key of"):
        certificates.check_pair(folder / "server.pem", other / "server.key")
    (folder / "ca.pem").write_bytes((other / "ca.pem").read_bytes())
    with pytest.raises(Untrusted, match=r"was not issued by .*ca.pem"):
        certificates.check_issuer(folder)


def test_files_that_are_missing_damaged_or_encrypted(folder: Path) -> None:
    key = certificates.load_key(folder / "server.key")
    (folder / "locked.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    (folder / "rubbish").write_text("no PEM")
    for kind, certificate, name, why in (
        (UsageError, "server.pem", "nosuch", "nosuch' can't be read .No such file"),
        (UsageError, "nosuch", "server.key", "nosuch' can't be read .No such file"),
        (UsageError, ".", "server.key", "can't be read .Is a directory"),
        (Untrusted, "rubbish", "server.key", "rubbish' holds no certificate"),
        (Untrusted, "server.pem", "rubbish", "rubbish' holds no private key"),
        (Untrusted, "server.pem", "server.pem", "holds no private key"),
        (Untrusted, "server.pem", "locked.key", "locked.key' is encrypted"),
    ):
        with pytest.raises(kind, match=why) as raised:
            certificates.check_pair(folder / certificate, folder / name)
        assert "\n" not in str(raised.value)
