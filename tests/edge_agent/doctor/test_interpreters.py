from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from edge_agent.doctor import interpreters
from edge_agent.doctor.interpreters import (
    Interpreter,
    judge_agent_packages,
    judge_python,
    judge_worker,
    judge_worker_packages,
)
from fedbed.link.health import FAIL, OK, SKIPPED, WARN

Make = Callable[[str], str]
ALL = {"numpy": "1.26.4", "torch": "2.9.1", "pillow": "11.0", "pyyaml": "6.0.2"}
WHOLE = {**ALL, "zstandard": "0.23.0"}


def test_an_old_python_fails() -> None:
    assert judge_python((3, 7, 17)).level == FAIL
    assert judge_python((3, 8, 0)).level == OK


def test_the_agents_packages() -> None:
    assert judge_agent_packages({"psutil": "5.9.8", "paho-mqtt": "2.1.0"}).level == OK
    assert judge_agent_packages({"psutil": "5.9.8"}).level == WARN
    assert judge_agent_packages({"psutil": "5.8", "paho-mqtt": "2.1.0"}).level == WARN


def test_a_worker_that_is_no_interpreter_fails(fake_python: Make) -> None:
    reading = interpreters.ask("/nowhere/python")
    finding = judge_worker(reading, "/nowhere/python")
    assert finding.level == FAIL
    assert "'/nowhere/python' can't be started (No such file or directory)" in finding.found
    assert judge_worker_packages(reading, "p", ()).level == SKIPPED
    other = judge_worker(interpreters.ask(fake_python("echo no >&2; exit 3")), "p")
    assert other.level == FAIL
    assert "exit code 3: no" in other.found


def test_a_worker_of_an_old_python_fails(fake_python: Make) -> None:
    reading = interpreters.ask(fake_python("""echo '{"version": [3, 6, 9]}'"""))
    assert judge_worker(reading, "p").level == FAIL
    assert "3.6.9" in judge_worker(reading, "p").found


def test_a_worker_that_hangs_is_given_up(fake_python: Make) -> None:
    reading = interpreters.ask(fake_python("sleep 60"), limit_s=0.3)
    assert judge_worker(reading, "p").level == FAIL


def test_this_interpreter_and_its_packages_are_found() -> None:
    reading = interpreters.ask(sys.executable)
    assert judge_worker(reading, sys.executable).level == OK
    assert judge_worker_packages(reading, sys.executable, ["numpy", "torch"]).level == OK
    assert set(reading.versions) >= set(interpreters.THEIRS)


@pytest.mark.parametrize(
    ("without", "needed", "level", "told"),
    [
        ("numpy", [], FAIL, "numpy missing"),
        ("torch", [], WARN, "only the task mnist_softmax runs"),
        ("torch", ["numpy", "torch"], FAIL, "torch missing"),
        ("zstandard", [], WARN, "zlib"),
        ("", ["flwr"], FAIL, "flwr missing"),
    ],
)
def test_missing_packages(without: str, needed: list[str], level: str, told: str) -> None:
    versions = {name: version for name, version in WHOLE.items() if name != without}
    finding = judge_worker_packages(Interpreter((3, 11), versions), "/w/python", needed)
    assert finding.level == level
    assert told in finding.found
    assert finding.mend == "/w/python -m pip install 'fedbed[train]'"


def test_an_old_package_warns() -> None:
    reading = Interpreter((3, 8), {**WHOLE, "torch": "1.13.0a0+nv22.10"})
    finding = judge_worker_packages(reading, "p", ["torch"])
    assert finding.level == WARN
    assert "torch 1.13.0a0+nv22.10 is older than 2.0" in finding.found


def test_an_import_that_kills_the_interpreter_fails(fake_python: Make) -> None:
    said = '{"version": [3, 6, 9]}\\n{"found": "numpy", "is_version": "1.19.5"}\\n'
    reading = interpreters.ask(fake_python(f"printf '{said}'; kill -ILL $$"))
    assert reading.died_in == "numpy"
    finding = judge_worker_packages(reading, "p", [])
    assert finding.level == FAIL
    assert "importing numpy 1.19.5 ends with signal 4 (SIGILL)" in finding.found
    assert "OPENBLAS_CORETYPE=ARMV8" in finding.mend


def test_an_import_that_raises_fails() -> None:
    reading = Interpreter((3, 11), WHOLE, {"numpy": "ImportError: libopenblas.so.0"})
    finding = judge_worker_packages(reading, "p", [])
    assert finding.level == FAIL
    assert "libopenblas" in finding.found


def test_what_may_come_from_others_gets_no_secret(
    fake_python: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDBED_ENROL_TOKEN", "secret")
    reading = interpreters.ask(fake_python('echo "$FEDBED_ENROL_TOKEN" >&2; exit 1'))
    assert "secret" not in reading.error
