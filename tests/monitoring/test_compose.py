"""docker-compose.yml by the specification's schema, and by what a lab may expect of it."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedbed import __version__
from fedbed.lab import environment, prepare
from fedbed.lab.environment import SECRETS, Machine
from fedbed.telemetry import topics

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
OURS = ("prepare", "coordinator", "enrol", "agent")
OTHERS = ("mosquitto", "influxdb", "telegraf", "telegraf-containers", "grafana")
ONCE = ("prepare", "enrol")
"""These end before others start, so there is no health to ask for."""


@cache
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]
    return found


def test_follows_the_specification() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema"]
        + ["--builtin-schema", "vendor.compose-spec", str(FILE)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_has_these_services() -> None:
    assert sorted(services()) == sorted([*OURS, *OTHERS])


@pytest.mark.parametrize("name", [*OURS, *OTHERS])
def test_a_service_is_pinned_bounded_and_without_rights(name: str) -> None:
    service = services()[name]
    version = r"\d+\.\d+\.\d+(-alpine)?$"
    assert re.search(rf":{version}", service["image"]), "a version with its patch"
    if name in OURS:
        assert service["image"].endswith(f":{__version__}")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert "container_name" not in service
    assert "privileged" not in service
    assert ("healthcheck" in service) is (name not in ONCE)
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")


def test_only_what_has_no_network_is_root() -> None:
    roots = [n for n, s in services().items() if str(s.get("user", "")).startswith("0")]
    assert roots == ["prepare"]
    assert services()["prepare"]["network_mode"] == "none"
    assert all("user" in services()[name] for name in OTHERS)
    # Ours say so in their image.
    assert "\nUSER fedbed\n" in (ROOT / "docker" / "Dockerfile").read_text()


def test_publishes_what_boards_and_people_need_on_this_machine_alone() -> None:
    published = {n: s["ports"] for n, s in services().items() if "ports" in s}
    assert published == {
        "coordinator": ["${FEDBED_ADDRESS:-127.0.0.1}:8470:8470"],
        "mosquitto": ["${FEDBED_ADDRESS:-127.0.0.1}:8883:8883"],
        "grafana": ["${GRAFANA_ADDRESS:-127.0.0.1}:3000:3000"],
    }
    networks = yaml.safe_load(FILE.read_text())["networks"]
    assert networks["data"] == {"internal": True}
    assert services()["influxdb"]["networks"] == ["data"]
    assert services()["telegraf-containers"]["networks"] == ["data"]
    assert "data" not in services()["agent"]["networks"]


def test_docker_may_be_asked_by_one_service_alone_that_can_be_left_out() -> None:
    askers = [n for n, s in services().items() if "docker.sock" in str(s.get("volumes"))]
    assert askers == ["telegraf-containers"]
    assert services()["telegraf-containers"]["profiles"] == ["containers"]


def test_mounts_of_this_folder_are_there_and_read_only() -> None:
    found = [m for s in services().values() for m in s.get("volumes", []) if m.startswith("./")]
    assert found
    for mount in found:
        path, _, how = mount.split(":")
        assert how == "ro"
        # Grafana's are generated: what counts is that somebody keeps the folder.
        assert (ROOT / path).exists() or path.startswith("./monitoring/grafana/"), path


def test_every_variable_is_a_setting_or_has_a_default() -> None:
    named = re.findall(r"(?<!\$)\$\{(\w+)(:?[-?][^}]*)?\}", FILE.read_text())
    machine = Machine("lab", ("lab",), cores=4, docker_group=0)
    written = {*environment.settings(machine), *(name for name, _ in SECRETS)}
    secrets = {name for name, _ in SECRETS}
    for name, otherwise in named:
        if name in secrets:
            assert otherwise == ":?run make secrets first", f"{name} must not have a default"
        else:
            assert otherwise, f"{name} has no default"
        assert name in written or name in (
            "FEDBED_DATA",
            "FEDBED_TORCH_INDEX",
            "FEDBED_BROKER",
            "FEDBED_INFLUX_URL",
        )


def test_nothing_has_a_password_of_its_own() -> None:
    for service in services().values():
        for name, value in (service.get("environment") or {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", name) and not name.endswith("_FILE"):
                assert "${" in str(value), f"{name}: {value}"


def test_grafana_only_reads_and_knows_no_anonymous() -> None:
    of_grafana = services()["grafana"]["environment"]
    assert of_grafana["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert "INFLUX_READER_PASSWORD" in of_grafana["INFLUX_TOKEN"]
    assert "${INFLUX_TOKEN" not in str(of_grafana)


def test_starts_in_order() -> None:
    needs = {
        n: {w: c["condition"] for w, c in s.get("depends_on", {}).items()}
        for n, s in services().items()
    }
    assert needs["coordinator"] == {"prepare": "service_completed_successfully"}
    assert needs["enrol"] == {"coordinator": "service_healthy"}
    assert needs["agent"] == {
        "coordinator": "service_healthy",
        "enrol": "service_completed_successfully",
    }
    assert needs["telegraf"] == {"influxdb": "service_healthy", "mosquitto": "service_healthy"}
    assert needs["grafana"]["influxdb"] == "service_healthy"


def test_certificates_are_for_the_users_that_services_run_as() -> None:
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    assert f"--uid {prepare.COORDINATOR.user} " in dockerfile
    assert services()["mosquitto"]["user"] == "mosquitto"
    assert services()["grafana"]["user"] == "grafana"


def test_looking_after_the_broker_takes_no_sample_away() -> None:
    # Nodes keep samples while nobody listens: somebody who does for a moment would lose them.
    asked = str(services()["mosquitto"]["healthcheck"]["test"])
    assert topics.everybody(topics.PRESENCE) in asked
    assert topics.SAMPLES not in asked
