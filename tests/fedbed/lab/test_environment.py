from __future__ import annotations

import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fedbed.errors import UsageError
from fedbed.lab import environment
from fedbed.lab.environment import ENVIRONMENT, PASSWORDS, SECRETS, Machine
from tests.broker import broker

ROOT = Path(__file__).resolve().parents[3]
MACHINE = Machine("lab", ("lab", "lab.local", "192.168.1.5"), cores=4, docker_group=998)


def read(folder: Path) -> dict[str, str]:
    """The variables of a folder's .env, as Compose reads them."""
    lines = (folder / ENVIRONMENT).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_makes_up_secrets_that_only_their_owner_may_read(tmp_path: Path) -> None:
    environment.write(tmp_path, MACHINE)
    found = read(tmp_path)
    secrets = [found[name] for name, _ in SECRETS]
    assert len(set(secrets)) == len(SECRETS)
    # Nothing that a shell, a URL or a command line could take for something else.
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in secrets)
    for path in (ENVIRONMENT, PASSWORDS):
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == 0o600
    assert not [s for s in secrets if s in (tmp_path / PASSWORDS).read_text()]
    assert found["FEDBED_HOSTS"] == "lab,lab.local,192.168.1.5"
    assert found["FEDBED_ADDRESS"] == found["GRAFANA_ADDRESS"] == "127.0.0.1"
    assert found["DOCKER_GROUP"] == "998"


def test_nobody_else_has_the_same_ones(tmp_path: Path) -> None:
    for name in ("one", "another"):
        environment.write(tmp_path / name, MACHINE)
    one, another = read(tmp_path / "one"), read(tmp_path / "another")
    assert not [name for name, _ in SECRETS if one[name] == another[name]]


def test_overwrites_none_unless_told_to(tmp_path: Path) -> None:
    environment.write(tmp_path, MACHINE)
    before = read(tmp_path)
    with pytest.raises(UsageError, match="is there already"):
        environment.write(tmp_path, MACHINE)
    assert read(tmp_path) == before
    environment.write(tmp_path, MACHINE, force=True)
    assert read(tmp_path)["INFLUX_TOKEN"] != before["INFLUX_TOKEN"]


def test_the_broker_knows_each_composed_agent_people_and_a_board(tmp_path: Path) -> None:
    environment.write(tmp_path, MACHINE)
    found = read(tmp_path)
    board = environment.add_board(tmp_path, "pi-01")
    assert stat.S_IMODE(board.stat().st_mode) == 0o600
    with broker(tmp_path / "broker", passwords=tmp_path / PASSWORDS) as made:
        assert made.lets_in("agent-1", found["MQTT_AGENT_PASSWORD"])
        last = f"agent-{environment.MOST_AGENTS}"
        assert made.lets_in(last, found["MQTT_AGENT_PASSWORD"])
        assert made.lets_in("telegraf", found["MQTT_TELEGRAF_PASSWORD"])
        assert made.lets_in("operator", found["MQTT_OPERATOR_PASSWORD"])
        assert made.lets_in("pi-01", board.read_text().strip())
        assert not made.lets_in("operator", found["MQTT_AGENT_PASSWORD"])


def test_a_board_that_is_known_or_has_no_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="run `make secrets` first"):
        environment.add_board(tmp_path, "pi-01")
    environment.write(tmp_path, MACHINE)
    with pytest.raises(UsageError, match="knows 'agent-3' already"):
        environment.add_board(tmp_path, "agent-3")
    with pytest.raises(UsageError, match="may hold letters"):
        environment.add_board(tmp_path, "pi 01")


def test_needs_no_package_and_says_one_line(tmp_path: Path) -> None:
    # -S: without the environment's packages, as on a machine that has Docker and Python alone.
    command = [sys.executable, "-S", "-m", "fedbed.lab.environment", "--folder", str(tmp_path)]
    first, second = (
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        for _ in range(2)
    )
    assert (first.returncode, second.returncode) == (0, 2)
    assert "next: make up" in first.stdout
    assert second.stderr.startswith("make secrets: ")
    assert second.stderr.count("\n") == 1
