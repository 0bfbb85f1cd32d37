from __future__ import annotations

import datetime
import logging
import socket
from pathlib import Path

import pytest

from coordinator.settings import Settings
from coordinator.tls import RENEW, callable_names, names_here, prepare, server_context
from fedbed import authority, certificates
from fedbed.errors import Untrusted, UsageError

NOW = certificates.utc_now()
DAY = datetime.timedelta(days=1)


def names(folder: Path) -> tuple[str, ...]:
    return certificates.describe(certificates.load(folder / "server.pem")[0]).names


def test_a_certificate_is_issued_where_there_is_none(tmp_path: Path) -> None:
    authority.make_ca(tmp_path)
    prepare(tmp_path, ["pc", "127.0.0.1"])
    assert names(tmp_path) == ("pc", "127.0.0.1")
    before = (tmp_path / "server.pem").read_bytes()
    prepare(tmp_path, ["other"])
    assert (tmp_path / "server.pem").read_bytes() == before


def test_one_that_ends_soon_is_issued_anew_for_its_names_and_todays(tmp_path: Path) -> None:
    authority.make_ca(tmp_path)
    authority.issue(tmp_path, ["pc.example.org"], days=100)
    before = (tmp_path / "server.pem").read_bytes()
    prepare(tmp_path, ["pc"], NOW + 100 * DAY - RENEW - DAY)
    assert (tmp_path / "server.pem").read_bytes() == before
    prepare(tmp_path, ["pc"], NOW + 100 * DAY - RENEW + DAY)
    assert names(tmp_path) == ("pc.example.org", "pc")


def test_without_the_cas_key_what_ends_soon_is_only_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority.make_ca(tmp_path)
    authority.issue(tmp_path, ["pc"], days=20)
    (tmp_path / "ca.key").unlink()
    assert server_context(Settings(tls_dir=tmp_path))
    (line,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert "expires in 19 days" in line
    (tmp_path / "server.pem").unlink()
    with pytest.raises(UsageError, match=r"has neither server\.pem nor ca\.key"):
        prepare(tmp_path, ["pc"])


def test_a_certificate_of_another_ca_is_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        authority.make_ca(tmp_path / folder)
        prepare(tmp_path / folder, ["pc"])
    for name in ("server.pem", "server.key"):
        (tmp_path / "one" / name).write_bytes((tmp_path / "two" / name).read_bytes())
    with pytest.raises(Untrusted, match="was not issued by"):
        server_context(Settings(tls_dir=tmp_path / "one"))


def test_a_key_that_is_gone(tmp_path: Path) -> None:
    authority.make_ca(tmp_path)
    prepare(tmp_path, ["pc"])
    (tmp_path / "server.key").unlink()
    with pytest.raises(UsageError, match=r"server\.key' can't be read"):
        server_context(Settings(tls_dir=tmp_path))


def test_the_names_of_this_machine() -> None:
    found = names_here("0.0.0.0")
    assert {socket.gethostname(), "localhost", "127.0.0.1", "::1"} <= set(found)
    assert "0.0.0.0" not in found
    assert names_here("192.0.2.1")[0] == "192.0.2.1"
    assert not [name for name in found if name.startswith("fe80")]


def test_what_a_certificate_can_be_for() -> None:
    candidates = ["pc", "::", "00:00:00:00:00:00", "169.254.1.1", "fe80::1%eth0", "pc", "10.0.0.1"]
    assert callable_names(candidates) == ["pc", "10.0.0.1"]
