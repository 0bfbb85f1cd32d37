"""Which coordinator a command speaks to, and which CA it trusts."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedbed import authority
from fedbed.cli.connection import connect, connect_if_named
from fedbed.cli.main import build_parser, main
from fedbed.errors import UsageError

URL = "https://pc:8470"


@pytest.mark.parametrize(
    "argv", [["nodes"], ["runs"], ["run", "x.yaml"], ["compare", "x.yaml"]], ids=lambda a: a[0]
)
def test_every_command_that_names_a_coordinator_takes_a_ca(argv: list[str], tmp_path: Path) -> None:
    authority.make_ca(tmp_path)
    ca = ["--ca", str(tmp_path / "ca.pem")]
    args = build_parser().parse_args([*argv, "--coordinator", URL, *ca])
    with connect(args) as client:
        assert client.url == URL
    args = build_parser().parse_args([*argv, "--coordinator", "http://pc:8470", *ca])
    with pytest.raises(UsageError, match="--ca: is for https:// addresses"):
        connect(args)


def test_a_ca_of_the_environment_is_checked_where_it_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("FEDBED_CA", str(tmp_path / "nosuch"))
    assert main(["nodes", "--coordinator", URL]) == UsageError.exit_code
    said = capsys.readouterr().err
    assert "nosuch' can't be read" in said
    assert said.count("\n") == 1
    args = build_parser().parse_args(["run", "x.yaml"])
    assert connect_if_named(args) is None
