from __future__ import annotations

import datetime
import os
import shutil
import ssl
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from fedbed import authority, certificates
from fedbed.errors import FedbedError, Untrusted, UsageError
from tests.parts import need

NOW = certificates.utc_now()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_ca_and_what_it_issues_are_what_strict_checkers_want(tmp_path: Path) -> None:
    need(shutil.which("openssl") is not None, "there is no openssl here")
    made = authority.make_ca(tmp_path / "lab")
    assert made.is_ca
    authority.issue(tmp_path / "lab", ["pc.local", "::1"])
    ca, server = tmp_path / "lab" / "ca.pem", tmp_path / "lab" / "server.pem"
    checker = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", str(ca)]
    for host in (["-verify_hostname", "pc.local"], ["-verify_ip", "::1"]):
        done = subprocess.run([*checker, *host, str(server)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    wrong = subprocess.run([*checker, "-verify_hostname", "pc", str(server)], capture_output=True)
    assert wrong.returncode != 0


def test_what_the_ca_says(tmp_path: Path) -> None:
    authority.make_ca(tmp_path, NOW)
    ca = certificates.load(tmp_path / "ca.pem")[0]
    basic = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert (basic.value.ca, basic.value.path_length) == (True, 0)
    assert ca.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert ca.not_valid_before_utc < NOW - datetime.timedelta(hours=23)
    assert (ca.not_valid_after_utc - NOW).days in (3649, 3650)


def test_keys_are_their_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        authority.make_ca(tmp_path)
        (tmp_path / ".server.key.new").write_text("left by an interrupted try")
        authority.issue(tmp_path, ["pc"])
    finally:
        os.umask(before)
    assert mode(tmp_path / "ca.key") == mode(tmp_path / "server.key") == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "ca.key", "ca.pem", "server.key", "server.pem",
    ]  # fmt: skip


def test_a_ca_is_never_overwritten(tmp_path: Path) -> None:
    authority.make_ca(tmp_path)
    before = (tmp_path / "ca.pem").read_bytes()
    with pytest.raises(UsageError, match="there is a CA in"):
        authority.make_ca(tmp_path)
    assert (tmp_path / "ca.pem").read_bytes() == before
    (tmp_path / "ca.pem").unlink()
    with pytest.raises(UsageError, match=r"ca\.key"):
        authority.make_ca(tmp_path)
    assert not (tmp_path / "ca.pem").exists()


def test_a_failing_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FedbedError, match=r"can't be written \(No space left"):
        authority.make_ca(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FedbedError, match="can't be written"):
        authority.make_ca(Path("/dev/null/lab"))


def test_what_can_and_cannot_be_a_host(tmp_path: Path) -> None:
    authority.make_ca(tmp_path)
    good = ["pc", "pc.local", "*.lab.example.org", "10.0.0.1", "fe80::1", "a_b.c", "x" * 63]
    assert set(authority.issue(tmp_path, good).names) == set(good)
    for bad in ("", "a b", "https://pc", "pc:8470", "1.2.3.333", "0.0.0.0", "::", "-a", "a..b",
                "fe80::1%eth0", "bücher.example", "x" * 64):  # fmt: skip
        with pytest.raises(UsageError) as raised:
            authority.issue(tmp_path, [bad])
        assert "\n" not in str(raised.value)
    with pytest.raises(UsageError, match="at least one host"):
        authority.issue(tmp_path, [])


def test_issuing_needs_a_usable_ca(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ca\.pem' can't be read"):
        authority.issue(tmp_path, ["pc"])
    then = NOW - datetime.timedelta(days=4000)
    authority.make_ca(tmp_path / "old", then)
    with pytest.raises(Untrusted, match="has expired on"):
        authority.issue(tmp_path / "old", ["pc"])
    authority.make_ca(tmp_path / "new")
    shutil.copy(tmp_path / "old" / "ca.key", tmp_path / "new" / "ca.key")
    with pytest.raises(Untrusted, match="is not the key of"):
        authority.issue(tmp_path / "new", ["pc"])


def test_a_certificate_ends_with_its_ca_and_replaces_the_former(tmp_path: Path) -> None:
    then = NOW - datetime.timedelta(days=3600)
    ca = authority.make_ca(tmp_path, then)
    first = authority.issue(tmp_path, ["pc"])
    assert first.not_after == ca.not_after
    second = authority.issue(tmp_path, ["pc"], days=3)
    assert second.fingerprint != first.fingerprint
    certificates.check_pair(tmp_path / "server.pem", tmp_path / "server.key")
    ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
