"""A coordinator on a host of its own, with a node that joins it, and what becomes of its runs.

One story: each test goes on where the one before it has ended.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedbed.client import Client
from fedbed.lab.wheelhouse import lock
from tests.ansible import targets
from tests.ansible.lab import ROOT, Lab
from tests.ansible.targets import Target
from tests.e2e.bench import await_end, submit

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
STATE = "/var/lib/fedbed-coordinator"
ONLY_TORCH = ("torch-", "sympy-", "networkx-", "mpmath-", "fsspec-", "setuptools-")
"""Wheels that no run of numpy tasks needs, and that take long to install."""


@pytest.fixture(scope="module")
def wheels(hosts: Lab) -> Path:
    """The wheelhouse, with a coordinator's wheels, too."""
    command = [sys.executable, "-m", "fedbed.lab.wheelhouse", "--to", str(hosts.wheelhouse)]
    command += ["--parts", "fedbed", "coordinator"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder,) = hosts.wheelhouse.glob("*/coordinator")
    for wheel in folder.glob("*.whl"):
        if wheel.name.startswith(ONLY_TORCH):
            wheel.unlink()
    lock(folder)
    return hosts.wheelhouse


@pytest.fixture(scope="module")
def pc(hosts: Lab) -> Iterator[Target]:
    """A bare host, for the coordinator."""
    with targets.target("lab-pc", hosts.net, public(hosts)) as host:
        yield host


@pytest.fixture(scope="module")
def pi(hosts: Lab) -> Iterator[Target]:
    """A bare host, for a node."""
    with targets.target("pi-9", hosts.net, public(hosts)) as host:
        yield host


@pytest.fixture(scope="module")
def inventory(hosts: Lab, wheels: Path, pc: Target, pi: Target) -> Path:
    """Of both, with no more than a user must say; their packages are others' tests'."""
    variables = {"fedbed_chrony": False, "fedbed_zram_percent": 0, "fedbed_wheelhouse": str(wheels)}
    return hosts.inventory([pi], variables, coordinator=pc)


def public(hosts: Lab) -> str:
    return hosts.key.with_suffix(".pub").read_text().strip()


def client(pc: Target, inventory: Path) -> Client:
    """Return one that trusts the CA that the playbook has put beside the inventory."""
    token = pc.run("cat", f"{STATE}/admin.token").strip()
    ca = inventory.parent / "fedbed-ca.pem"
    return Client(f"https://{pc.address}:8470", token=token, ca=ca)


def test_one_command_makes_a_coordinator_and_a_node_that_trains(
    hosts: Lab, pc: Target, pi: Target, inventory: Path
) -> None:
    outcome = hosts.play("provision.yml", inventory)
    assert outcome.code == 0, outcome.text[-5000:]
    assert pc.run("cat", f"{STATE}/admin.token").strip() not in outcome.text
    assert pc.run("stat", "--format=%U %a", STATE) == "fedbed-coordinator 700\n"
    assert pc.run("systemctl", "is-enabled", "fedbed-coordinator") == "enabled\n"
    with client(pc, inventory) as there:
        run = await_end(there, submit(there, "federation.nodes=1", "federation.rounds=2"))
        assert run["state"] == "finished", run["error"]
        (node,) = there.nodes()
        assert node["name"] == pi.name


def test_again_it_changes_nothing(hosts: Lab, inventory: Path) -> None:
    outcome = hosts.play("provision.yml", inventory)
    assert outcome.code == 0, outcome.text[-5000:]
    assert set(outcome.changed.values()) == {0}, outcome.text


def test_its_units_are_hardened(pc: Target) -> None:
    pc.run("systemd-analyze", "security", "fedbed-coordinator", "--no-pager", "--threshold=40")


def test_it_stays_as_long_as_nodes_need_it(hosts: Lab, pc: Target, inventory: Path) -> None:
    outcome = hosts.play("decommission.yml", inventory, "--limit", "lab-pc")
    assert outcome.failed == {"lab-pc"}
    (message,) = outcome.messages("lab-pc")
    assert "nodes of the inventory still need it (pi-9)" in message
    assert pc.run("systemctl", "is-active", "fedbed-coordinator") == "active\n"


def test_it_is_decommissioned_after_its_nodes_and_its_runs_are_kept(
    hosts: Lab, pc: Target, pi: Target, inventory: Path
) -> None:
    outcome = hosts.play("decommission.yml", inventory)
    assert outcome.code == 0, outcome.text[-5000:]
    assert f"kept in {STATE}, for root alone" in " ".join(outcome.text.split())
    assert pi.traces() == []
    assert f"{STATE}/fedbed.sqlite" in pc.traces()
    assert all(trace.startswith(STATE) for trace in pc.traces())
    assert pc.shell(f"find {STATE} -printf '%U\\n' | sort -u") == "0\n"
    assert pc.run("stat", "--format=%a", STATE) == "700\n"
    again = hosts.play("decommission.yml", inventory)
    assert again.code == 0, again.text[-5000:]
    assert set(again.changed.values()) == {0}


def test_a_new_one_goes_on_with_the_runs_and_they_go_when_told(
    hosts: Lab, pc: Target, inventory: Path
) -> None:
    outcome = hosts.play("provision.yml", inventory, "--limit", "lab-pc")
    assert outcome.code == 0, outcome.text[-5000:]
    with client(pc, inventory) as there:
        assert [run["state"] for run in there.runs()] == ["finished"]
        assert there.nodes() == []
    everything = ("--extra-vars", "fedbed_delete_runs=true")
    outcome = hosts.play("decommission.yml", inventory, *everything)
    assert outcome.code == 0, outcome.text[-5000:]
    assert pc.traces() == []
