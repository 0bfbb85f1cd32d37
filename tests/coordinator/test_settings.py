"""What a coordinator is told at its start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from coordinator.settings import INFLUX_TOKEN, Influx, parse, parser
from fedbed.errors import UsageError

URL = "http://pc:8086"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "ORG", "BUCKET", "TOKEN"):
        monkeypatch.delenv(f"FEDBED_INFLUX_{name}", raising=False)


def test_without_an_address_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INFLUX_TOKEN, "a-token")
    assert parse([]).influx is None
    assert parse(["--influx-bucket", "b"]).influx is None


def test_without_one_a_coordinator_imports_nothing_that_only_databases_need() -> None:
    code = "import sys, coordinator.server; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    imported = set(done.stdout.split())
    assert "coordinator.centre" in imported
    assert not {"influxdb_client", "prometheus_client", "httpx", "psutil"} & imported


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert parse(["--influx-url", f"{URL}/"]).influx == Influx(URL, "fedbed", "fedbed", "")
    monkeypatch.setenv("FEDBED_INFLUX_URL", URL)
    monkeypatch.setenv("FEDBED_INFLUX_ORG", "lab")
    monkeypatch.setenv("FEDBED_INFLUX_BUCKET", "samples")
    monkeypatch.setenv(INFLUX_TOKEN, "a-token")
    assert parse([]).influx == Influx(URL, "lab", "samples", "a-token")
    file = tmp_path / "token"
    file.write_text("another\n")
    flags = ["--influx-org", "o", "--influx-bucket", "b", "--influx-token-file", str(file)]
    found = parse(flags).influx
    assert found == Influx(URL, "o", "b", "another", file)
    file.write_text("a-third")
    assert found is not None
    assert found.token() == "a-third"


def test_the_page_knows_every_flag_and_variable() -> None:
    page = (Path(__file__).parents[2] / "docs" / "influxdb.md").read_text()
    shown = parser().format_help()
    for kind in ("url", "org", "bucket", "token-file"):
        assert f"`--influx-{kind}`" in page
        assert f"--influx-{kind}" in shown
    for kind in ("URL", "ORG", "BUCKET", "TOKEN"):
        assert f"`FEDBED_INFLUX_{kind}`" in page
        assert f"FEDBED_INFLUX_{kind}" in shown


def test_a_token_is_shown_by_nothing() -> None:
    assert "a-token" not in repr(Influx(URL, given_token="a-token"))


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--influx-url", "pc:8086"], "is no address"),
        (["--influx-url", "ftp://pc"], "is no address"),
        (["--influx-url", "http://"], "is no address"),
        (["--influx-url", "http://pc:port"], "is no address"),
        (["--influx-url", "http://pc\r\nX: y"], "is no address"),
        (["--influx-url", "http://pc/?q=1"], "is no address"),
        (["--influx-url", "http://me:secret@pc"], "instead of a password"),
        (["--influx-url", URL, "--influx-token-file", "/nowhere/token"], "can't be read"),
    ],
)
def test_what_will_not_do_is_said_in_a_line(flags: list[str], why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        parse(flags)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 1 or "\r" in flags[1]
