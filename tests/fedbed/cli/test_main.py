from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys

import pytest

from fedbed import __version__
from fedbed.cli import commands
from fedbed.cli import main as cli
from fedbed.errors import FedbedError, by_code


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(args: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(commands, "_later", lambda *_: fail)


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        (["rnu"], "unknown command 'rnu'; did you mean 'run'?"),
        (["coordinatr"], "did you mean 'coordinator'?"),
        (["zzz"], "there are: demo, coordinator, agent"),
        (["run", "x", "--nodse", "3"], "run: unknown option '--nodse'; did you mean '--nodes'?"),
        (["run", "x", "--outptu=y"], "did you mean '--output'?"),
        (["--versoin"], "did you mean '--version'?"),
        (["demo", "--node", "3"], "unknown option '--node'; did you mean '--nodes'?"),
        (["demo", "extra"], "'extra' is one argument too many"),
        (["demo", "--nodes", "0"], "given '0', allowed: a whole number from 1"),
        (["run", "x", "--seed", "-1"], "--seed"),
        (["run"], "EXPERIMENT|APP_FOLDER"),
        (["nodes", "drian", "x"], "did you mean 'drain'?"),
        (["nodes", "drain"], "which node?"),
        (["runs", "show"], "which run?"),
        (["nodes", "--coordinator", "nonsense"], "is no http:// or https:// address"),
        (["data"], "COMMAND"),
    ],
)
def test_a_wrong_command_line_is_one_line_with_a_hint_and_exit_code_2(
    argv: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("fedbed: ")
    assert err.count("\n") == 1
    assert wanted in err


def test_an_interrupt_that_a_library_disguises_ends_as_ctrl_c_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    disguised = ImportError("initialization failed")
    disguised.__cause__ = KeyboardInterrupt()
    failing(monkeypatch, disguised)
    assert cli.main(["demo"]) == 130
    assert capsys.readouterr().err == "fedbed: interrupted\n"


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "examples:" in capsys.readouterr().err


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"fedbed {__version__}\n"
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in ("demo", "coordinator", "agent", "run", "compare", "nodes", "runs", "data"):
        assert f"\n    {command}" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("kind", by_code().values())
def test_every_error_becomes_its_exit_code(
    kind: type[FedbedError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, kind("two\nlines"))
    assert cli.main(["demo"]) == kind.exit_code
    assert capsys.readouterr().err == "fedbed: two lines\n"


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    assert cli.main(["demo"]) == 130
    assert capsys.readouterr().err == "fedbed: interrupted\n"


@pytest.mark.parametrize("debug", [False, True])
def test_the_unforeseen_is_one_line_too(
    debug: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEDBED_DEBUG", "1" if debug else "0")
    failing(monkeypatch, ZeroDivisionError("oops"))
    assert cli.main(["demo"]) == 1
    err = capsys.readouterr().err
    assert "fedbed: ZeroDivisionError: oops" in err
    assert ("Traceback" in err) == debug


def test_an_old_python_is_told_which_one_it_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 8, 10))
    assert cli.main(["demo"]) == 10
    assert "Python 3.11" in capsys.readouterr().err
    assert cli.main(["coordinator"]) == 10
    assert "Python 3.11" in capsys.readouterr().err


def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("nodes", "listing"):
        monkeypatch.delitem(sys.modules, f"fedbed.cli.{module}", raising=False)
        monkeypatch.delattr(f"fedbed.cli.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert cli.main(["nodes"]) == 10
    err = capsys.readouterr().err
    assert "rich.console" in err
    assert "pip install 'fedbed[coordinator]'" in err


def test_a_missing_package_of_a_process_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert cli.main(["coordinator"]) == 10
    assert "pip install 'fedbed[coordinator]'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["agent", "coordinator"])
def test_handing_over_keeps_flags_and_exit_codes(command: str) -> None:
    def fedbed(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "fedbed", command, *arguments]
        return subprocess.run(argv, capture_output=True, text=True, timeout=30)

    shown = fedbed("--help")
    assert shown.returncode == 0
    assert f"usage: fedbed {command}" in shown.stdout
    assert "--state-dir" in shown.stdout
    assert fedbed("--no-such-flag").returncode == 2


def test_a_closed_pipe_is_no_error_message() -> None:
    done = subprocess.run(
        [f"{sys.executable} -m fedbed data list | head -n 1"],
        shell=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stderr == ""
