from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.doctor import __main__ as main
from edge_agent.doctor.examination import checks
from fedbed.errors import UsageError
from fedbed.link.health import FAIL

Make = Callable[[str], str]


def doctor(tmp_path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """`fedbed doctor` where no coordinator listens, with a worker that doesn't start."""
    command = [sys.executable, "-m", "fedbed", "doctor", "--coordinator", "http://127.0.0.1:9"]
    command += ["--worker-python", "/nowhere/python", "--state-dir", str(tmp_path / "state")]
    return subprocess.run([*command, *flags], capture_output=True, text=True, timeout=60)


def test_it_says_what_is_wrong_why_and_what_mends_it(tmp_path: Path) -> None:
    done = doctor(tmp_path)
    assert done.returncode == 18
    (line,) = done.stderr.splitlines()
    assert line == (f"fedbed doctor: 2 of {len(checks())} checks failed: worker, coordinator")
    assert "\033" not in done.stdout
    told = done.stdout.splitlines()
    at = next(n for n, text in enumerate(told) if text.startswith("fail    worker "))
    assert "'/nowhere/python' can't be started (No such file or directory)" in told[at]
    assert told[at + 1].strip().startswith("why: the worker trains in that interpreter")
    assert told[at + 2].strip().startswith("mend: ")
    assert told[-1].startswith(f"{len(checks())} checks in ")
    assert not (tmp_path / "state").exists()


def test_json_is_for_scripts(tmp_path: Path) -> None:
    done = doctor(tmp_path, "--json", "--name", "pi-7")
    assert done.returncode == 18
    found = json.loads(done.stdout)
    assert (found["node"], found["worst"]) == ("pi-7", FAIL)
    assert [finding["check"] for finding in found["findings"]] == [c.name for c in checks()]
    assert set(found["findings"][0]) == {"check", "level", "found", "why", "mend"}


def test_flags_are_the_agents_and_its_own() -> None:
    args, settings = main.parse(["--json", "--name", "pi-7", "--strict", "--threads", "2"])
    assert (args.json, args.strict, settings.name, settings.threads) == (True, True, "pi-7", 2)
    with pytest.raises(UsageError, match=r"doctor --help") as error:
        main.parse(["--jsn"])
    assert "unknown option '--jsn'; did you mean '--json'?" in str(error.value)
    with pytest.raises(UsageError, match="--name"):
        main.parse(["--name", "a b"])


def test_it_needs_the_base_install_alone() -> None:
    code = "import sys, edge_agent.doctor.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint({"numpy", "torch", "pydantic", "rich", "httpx", "yaml", "flwr"})
