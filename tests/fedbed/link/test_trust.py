"""TLS clients against real TLS servers; the certificates are made as `fedbed ca` makes them."""

from __future__ import annotations

import contextlib
import datetime
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fedbed import authority
from fedbed.certificates import utc_now
from fedbed.errors import CoordinatorAway, FedbedError, Untrusted, UsageError
from fedbed.link import trust
from tests.parts import need

TOP = Path(__file__).resolve().parents[3]
URL = "https://pc:8470"
NOW = utc_now()
PYTHON38 = os.environ.get("FEDBED_PYTHON38", "")


@contextmanager
def server(folder: Path) -> Iterator[int]:
    """Greet with the folder's certificate whoever connects; gives the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")

    def greet() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return  # the test is over
            with peer, contextlib.suppress(OSError):  # who distrusts us hangs up
                context.wrap_socket(peer, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=greet)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def told(folder: Path, context: ssl.SSLContext, host: str, ca: Path | None) -> FedbedError | None:
    """What a client with `context` tells of the folder's server when it calls it `host`."""
    with server(folder) as port, socket.create_connection(("127.0.0.1", port)) as raw:
        try:
            context.wrap_socket(raw, server_hostname=host).close()
        except OSError as error:
            return trust.refusal(error, URL, ca)
    return None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    authority.make_ca(tmp_path)
    authority.issue(tmp_path, ["pc", "127.0.0.1"])
    return tmp_path


def test_the_pinned_ca_is_trusted_for_its_names_alone(folder: Path) -> None:
    ca = folder / "ca.pem"
    for host in ("pc", "127.0.0.1"):
        assert told(folder, trust.context(ca), host, ca) is None
    for host in ("other", "127.0.0.2"):
        refused = told(folder, trust.context(ca, dates=False), host, ca)
        assert isinstance(refused, Untrusted)
        assert "is for other names" in str(refused)


def test_another_ca_is_not_trusted(folder: Path, tmp_path: Path) -> None:
    authority.make_ca(tmp_path / "other")
    ca = tmp_path / "other" / "ca.pem"
    refused = told(folder, trust.context(ca, dates=False), "pc", ca)
    assert isinstance(refused, Untrusted)
    assert f"was not issued by the CA in '{ca}'" in str(refused)
    refused = told(folder, trust.context(), "pc", None)
    assert isinstance(refused, Untrusted)
    assert "whom this machine trusts" in str(refused)
    assert "--ca" in str(refused)


@pytest.mark.parametrize(
    ("then", "how"),
    [(NOW - datetime.timedelta(days=400), "has expired"),
     (NOW + datetime.timedelta(days=400), "is not valid yet")],
)  # fmt: skip
def test_dates_count_unless_they_are_not_to(
    tmp_path: Path, then: datetime.datetime, how: str
) -> None:
    authority.make_ca(tmp_path, then - datetime.timedelta(days=1))
    authority.issue(tmp_path, ["pc"], days=100, now=then)
    ca = tmp_path / "ca.pem"
    assert told(tmp_path, trust.context(ca, dates=False), "pc", ca) is None
    refused = told(tmp_path, trust.context(ca), "pc", ca)
    assert isinstance(refused, CoordinatorAway)
    # The CA's dates are looked at first.
    assert f"{URL} {how}, by this machine's clock, which says {NOW:%Y-%m-%d}" in str(refused)


def test_an_old_python_knows_how_to_leave_dates_out(tmp_path: Path) -> None:
    need(Path(PYTHON38).is_file(), "FEDBED_PYTHON38 names no interpreter of Python 3.8")
    then = NOW - datetime.timedelta(days=400)
    authority.make_ca(tmp_path, then)
    authority.issue(tmp_path, ["pc"], days=100, now=then)
    code = (
        "import socket, sys; from pathlib import Path; from fedbed.link import trust\n"
        "raw = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
        "context = trust.context(Path(sys.argv[2]), dates=False)\n"
        "context.wrap_socket(raw, server_hostname=sys.argv[3]).close()\n"
    )
    with server(tmp_path) as port:
        for host, fine in (("pc", True), ("other", False)):
            command = [PYTHON38, "-c", code, str(port), str(tmp_path / "ca.pem"), host]
            done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=30)
            assert (done.returncode == 0) is fine, done.stderr
            assert fine or "mismatch" in done.stderr
    assert sys.version_info >= (3, 11)


def test_what_is_no_matter_of_tls() -> None:
    assert trust.refusal(ConnectionRefusedError(), URL, None) is None
    assert trust.refusal(ssl.SSLEOFError(), URL, None) is None


def test_which_ca_is_pinned(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ca = folder / "ca.pem"
    monkeypatch.delenv("FEDBED_CA", raising=False)
    assert trust.pinned(None, URL) is None
    assert trust.pinned(ca, URL) == trust.pinned(ca, URL.upper()) == ca
    with pytest.raises(UsageError, match="--ca: is for https:// addresses"):
        trust.pinned(ca, "http://pc:8470")
    (tmp_path / "rubbish").write_text("no PEM")
    with pytest.raises(UsageError, match="rubbish' holds no certificate"):
        trust.pinned(tmp_path / "rubbish", URL)
    with pytest.raises(UsageError, match=r"nosuch' can't be read \(No such file"):
        trust.pinned(tmp_path / "nosuch", URL)
    monkeypatch.setenv("FEDBED_CA", str(ca))
    assert trust.pinned(None, URL) == ca
    assert trust.pinned(None, "http://127.0.0.1:8470") is None
