from __future__ import annotations

import re
import socket
import sys
from pathlib import Path
from typing import Optional

import pytest

from edge_agent import config
from fedbed.authority import make_ca
from fedbed.errors import UsageError


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEDBED_COORDINATOR", raising=False)
    monkeypatch.delenv("FEDBED_CA", raising=False)


def test_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    parsed = config.parse(["--name", "pi-07"])
    assert parsed.coordinator == "http://127.0.0.1:8470"
    assert parsed.state_dir == tmp_path / ".local/state/fedbed/pi-07"
    assert parsed.worker_python == sys.executable
    assert parsed.threads == 1
    assert parsed.labels == {}
    assert parsed.data_path is None
    assert not parsed.stop_with_parent


def test_everything_given(tmp_path: Path) -> None:
    data = tmp_path / "own.npz"
    data.write_bytes(b"PK\x03\x04...")
    flags = ["--coordinator", "https://lab:9/", "--name", "pi", "--state-dir", str(tmp_path)]
    flags += ["--worker-python", "/py", "--data", str(data), "--threads", "4"]
    flags += ["--label", "arch=arm", "--label", "note=a=b", "--label", "empty=", "--allow-apps=yes"]
    parsed = config.parse([*flags, "--stop-with-parent"])
    assert parsed == config.AgentConfig(
        coordinator="https://lab:9",
        name="pi",
        state_dir=tmp_path,
        worker_python="/py",
        data_path=data,
        labels={"arch": "arm", "note": "a=b", "empty": ""},
        apps_allowed=True,
        threads=4,
        stop_with_parent=True,
    )


def test_a_ca_is_pinned_by_flag_or_environment_and_looked_at_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_ca(tmp_path)
    lab, ca = ["--coordinator", "https://lab:9"], tmp_path / "ca.pem"
    assert config.parse(lab).ca is None
    assert config.parse([*lab, "--ca", str(ca)]).ca == ca
    with pytest.raises(UsageError, match=r"--ca: .*holds no certificate"):
        config.parse([*lab, "--ca", str(tmp_path / "ca.key")])
    with pytest.raises(UsageError, match="--ca: is for https:// addresses"):
        config.parse(["--ca", str(ca)])
    monkeypatch.setenv("FEDBED_CA", str(ca))
    assert config.parse(lab).ca == ca
    assert config.parse([]).ca is None


def test_the_environment_names_the_coordinator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDBED_COORDINATOR", "http://lab:1")
    assert config.parse([]).coordinator == "http://lab:1"
    assert config.parse(["--coordinator", "http://lab:2"]).coordinator == "http://lab:2"


@pytest.mark.parametrize(
    ("host", "flag", "allowed"),
    [
        ("127.0.0.1", "auto", True),
        ("localhost", "auto", True),
        ("[::1]", "auto", True),
        ("LOCALHOST", "auto", True),
        ("localhost.example.org", "auto", False),
        ("lab", "auto", False),
        ("lab", "yes", True),
        ("127.0.0.1", "no", False),
    ],
)
def test_foreign_code_runs_only_for_a_coordinator_on_this_machine_or_where_allowed(
    host: str, flag: str, allowed: bool
) -> None:
    parsed = config.parse(["--coordinator", f"http://{host}:8470", "--allow-apps", flag])
    assert parsed.apps_allowed is allowed


@pytest.mark.parametrize(
    "address",
    [
        "",
        "lab:8470",
        "ftp://lab",
        "http://",
        "http://:8470",
        "http://lab:port",
        "http://lab:99999",
        "http://[::1",
        "http://lab:1/fedbed",
        "http://lab:1?x=1",
        "http://user:secret@lab:1",
    ],
)
def test_an_address_that_will_not_do(address: str) -> None:
    message = f"--coordinator: '{address}' is no http:// or https:// address of a host and its port"
    with pytest.raises(UsageError, match=re.escape(message)):
        config.parse(["--coordinator", address])


@pytest.mark.parametrize("name", ["", "-", ".x", "a b", "a/b", "ä", "x" * 64, "pi\n"])
def test_a_name_that_will_not_do(name: str) -> None:
    with pytest.raises(UsageError, match=r"(?s)--name: '.*' may hold letters"):
        config.parse([f"--name={name}"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--threads", "0"], "argument --threads: given '0', allowed: a whole number from 1"),
        (["--threads", "two"], "argument --threads: given 'two', allowed: a whole number from 1"),
        (["--allow-apps", "maybe"], "unknown --allow-apps 'maybe' (there are: auto, yes, no)"),
        (["--thread", "2"], "unknown option '--thread'; did you mean '--threads'?"),
        (["--label", "arm"], "--label: 'arm' is not of the form KEY=VALUE"),
        (["--label", "=arm"], "--label: '=arm' is not of the form KEY=VALUE"),
        (["--label", "a b=c"], "--label: 'a b=c' is not of the form KEY=VALUE"),
        (["--data", "no/such.npz"], "--data: there is no file 'no/such.npz'"),
    ],
)
def test_other_flags_that_will_not_do(flags: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        config.parse(flags)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"root:x:0:0", "is no .npz file"),
        (b"", "is no .npz file"),
        (None, "can't be read (Permission denied)"),
    ],
)
def test_samples_that_are_none_are_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: Optional[bytes], message: str
) -> None:
    path = tmp_path / "own.npz"
    path.write_bytes(content or b"")

    def locked(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    if content is None:  # root may read anything, so no mode of the file would do
        monkeypatch.setattr(Path, "open", locked)
    with pytest.raises(UsageError, match=re.escape(f"--data: '{path}' {message}")):
        config.parse(["--data", str(path)])


def test_a_user_without_a_home_must_name_the_state_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(UsageError, match="--state-dir: needed"):
        config.parse([])
    assert config.parse(["--state-dir", str(tmp_path)]).state_dir == tmp_path


@pytest.mark.parametrize(
    ("host", "name"),
    [("pi-07.lab", "pi-07.lab"), ("_küche", "k-che"), ("...", "node"), ("a" * 80, "a" * 63)],
)
def test_any_host_name_gives_a_valid_default_name(
    host: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    assert config.parse([]).name == name
