from __future__ import annotations

from pathlib import Path

import pytest

from fedbed.cli.main import main
from fedbed.errors import Untrusted, UsageError


def test_make_issue_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["ca", "make"]) == 0
    assert main(["ca", "issue", "pc.local", "192.168.1.5", "--days", "30"]) == 0
    capsys.readouterr()
    assert main(["ca", "show"]) == 0
    said = capsys.readouterr().out
    assert "fedbed lab CA" in said
    assert "pc.local, 192.168.1.5" in said
    assert "29 days left" in said
    assert main(["ca", "show", "fedbed-ca/ca.pem"]) == 0
    assert "pc.local" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "code", "why"),
    [
        (["make", "."], UsageError.exit_code, "there is a CA in '.' already"),
        (["make", "a", "b"], UsageError.exit_code, "'b' is one argument too many"),
        (["issue"], UsageError.exit_code, "for which host?"),
        (["issue", "pc", "--dir", "none"], UsageError.exit_code, "ca.pem' can't be read"),
        (["issue", "pc", "--days", "0"], UsageError.exit_code, "--days: given '0'"),
        (["show", "none"], UsageError.exit_code, "'none' can't be read"),
        (["show", "empty"], UsageError.exit_code, "there is no ca.pem"),
        (["show", "ca.key"], Untrusted.exit_code, "holds no certificate"),
        (["mak"], UsageError.exit_code, "did you mean 'make'?"),
        ([], UsageError.exit_code, "ACTION"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argv: list[str],
    code: int,
    why: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["ca", "make", "."]) == 0
    (tmp_path / "empty").mkdir()
    capsys.readouterr()
    assert main(["ca", *argv]) == code
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1
