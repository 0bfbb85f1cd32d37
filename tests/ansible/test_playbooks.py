"""From bare hosts to nodes that train, are updated while they do, and are taken out of the lab.

One story: each test goes on where the one before it has ended.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedbed.client import Client
from fedbed.lab.wheelhouse import lock
from tests.ansible.conftest import NAMES
from tests.ansible.lab import Lab, Outcome
from tests.ansible.targets import until
from tests.e2e.bench import LONG_ROUNDS, submit

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
LIVING = ("ready", "training", "update", "finish")


@pytest.fixture(scope="module")
def inventory(hosts: Lab) -> Path:
    """Of the three hosts, as a user would write it."""
    return hosts.inventory(list(hosts.hosts.values()), {"fedbed_labels": {"room": "b 12"}})


def succeeded(outcome: Outcome) -> None:
    assert outcome.code == 0, outcome.text[-5000:]
    assert set(outcome.changed) == set(NAMES)


def test_a_rehearsal_changes_nothing(hosts: Lab, inventory: Path) -> None:
    outcome = hosts.play("provision.yml", inventory, "--check", "--diff", "--limit", "pi-1")
    assert outcome.code == 0, outcome.text[-5000:]
    assert outcome.changed["pi-1"] > 5
    assert "+fedbed-" not in outcome.text
    left = "ls -d /opt/fedbed /etc/fedbed /var/lib/fedbed /etc/systemd/system/fedbed* 2>/dev/null"
    assert hosts.hosts["pi-1"].shell(left, check=False) == ""
    assert hosts.state("pi-1") == ""
    with hosts.client() as client:
        assert client.enrolments() == []


def test_one_command_makes_nodes_of_bare_hosts(hosts: Lab, inventory: Path) -> None:
    outcome = hosts.play("provision.yml", inventory, "-vvv")
    succeeded(outcome)
    for name, host in hosts.hosts.items():
        hosts.await_state(name, *LIVING)
        assert host.run("systemctl", "is-enabled", "fedbed-agent").strip() == "enabled"
        assert host.shell("cat /etc/fedbed/enrol.token", check=False) == ""
        settings = yaml.safe_load(host.run("cat", "/etc/fedbed/agent.yaml"))
        assert settings["name"] == name
        assert settings["labels"] == {"room": "b 12"}
        assert host.shell("stat -c '%U %a' /etc/fedbed /opt/fedbed/venv/bin/python").split() == [
            *("root", "750"),
            *("root", "777"),  # a link
        ]
        assert host.run("systemctl", "is-active", "chrony", check=False).strip() == "inactive"
        assert "SystemMaxUse=64M" in host.run("cat", "/etc/systemd/journald.conf.d/fedbed.conf")
        assert "PERCENT=50\n" in host.run("cat", "/etc/default/zramswap")
    # With all that Ansible can tell, no token is told.
    assert hosts.admin_token not in outcome.text
    with hosts.client() as client:
        assert {name for e in client.enrolments() for name in e["used_by"]} >= set(NAMES)


def test_again_it_changes_nothing(hosts: Lab, inventory: Path) -> None:
    outcome = hosts.play("provision.yml", inventory)
    succeeded(outcome)
    assert set(outcome.changed.values()) == {0}, outcome.text


def test_the_unit_is_hardened(hosts: Lab) -> None:
    command = ("systemd-analyze", "security", "fedbed-agent", "--no-pager", "--threshold=40")
    said = hosts.hosts["pi-1"].run(*command)  # fails above 4.0
    assert "Overall exposure level" in said


def test_the_nodes_train(hosts: Lab) -> None:
    with hosts.client() as client:
        run = ended(client, submit(client, "federation.nodes=3", "federation.rounds=3"))
    assert run["state"] == "finished", run["error"]
    assert [r["participants"] for r in run["history"]] == [3, 3, 3]


def test_the_doctor_looks_at_each_node_and_finds_it_fit(hosts: Lab, inventory: Path) -> None:
    outcome = hosts.play("doctor.yml", inventory)
    succeeded(outcome)
    assert set(outcome.changed.values()) == {0}
    assert outcome.text.count("admission") == len(NAMES)
    assert len(re.findall(r"\d+ checks in", outcome.text)) == len(NAMES)


def test_a_host_that_reboots_is_the_same_node_again(hosts: Lab) -> None:
    host = hosts.hosts["pi-2"]
    key = host.run("cat", "/var/lib/fedbed/node.key")
    with hosts.client() as client:
        before = client.node("pi-2")["id"]
        host.reboot()
        hosts.await_state("pi-2", *LIVING)
        assert client.node("pi-2")["id"] == before
    assert host.run("cat", "/var/lib/fedbed/node.key") == key


def test_nodes_are_updated_in_turn_while_a_run_loses_no_round(hosts: Lab, inventory: Path) -> None:
    with hosts.client() as client:
        # Slowly: of nodes that have converged without it, one that comes back is far away, and its
        # update so long beside theirs that screening refuses it.
        slowly = ("federation.local_epochs=10", "optimizer.lr=0.0005", "optimizer.momentum=0")
        settings = ("federation.nodes=3", "federation.rounds=2000", *LONG_ROUNDS, *slowly)
        run_id = submit(client, *settings)
        until(lambda: client.run(run_id)["round"] >= 2, "the second round", 60)
        renew(hosts.wheelhouse, 1)
        states: set[tuple[str, str]] = set()
        watch = Watch(hosts, states)
        with watch:
            outcome = hosts.play("update.yml", inventory)
        succeeded(outcome)
        last = client.run(run_id)["round"]
        until(lambda: client.run(run_id)["round"] > last + 1, "two more rounds", 60)
        run = client.run(run_id)
        assert run["state"] == "running", run["error"]
        client.stop(run_id)
        alike = min(run["round"] - 1, 60)
        undisturbed = ended(client, submit(client, *settings, f"federation.rounds={alike}"))
        assert not any(node["drained"] for node in client.nodes())
    assert {(name, "drained") for name in NAMES} <= states
    rounds = run["history"]
    assert [r["round"] for r in rounds] == list(range(1, len(rounds) + 1))
    # Work that was meant for a node when it was drained, and hadn't been fetched, is left undone.
    lacking = [(r["round"], r["asked"], r["missing"]) for r in rounds if r["missing"]]
    assert all(r["participants"] >= 2 for r in rounds), lacking
    assert len(lacking) <= len(NAMES), lacking
    assert {len(r["nodes"]) for r in rounds} == {2, 3}
    accuracy = [each["history"][alike - 1]["accuracy"] for each in (run, undisturbed)]
    assert accuracy[0] == pytest.approx(accuracy[1], abs=0.03)
    for host in hosts.hosts.values():
        assert "0.1.0.post1" in host.shell("ls /opt/fedbed/venv/lib/python3*/site-packages")


def test_an_update_with_nothing_new_leaves_nodes_alone(hosts: Lab, inventory: Path) -> None:
    outcome = hosts.play("update.yml", inventory)
    succeeded(outcome)
    assert set(outcome.changed.values()) == {0}


def test_a_node_that_somebody_has_drained_stays_so_when_it_is_updated(
    hosts: Lab, inventory: Path
) -> None:
    renew(hosts.wheelhouse, 2)
    with hosts.client() as client:
        client.drain("pi-3")
        outcome = hosts.play("update.yml", inventory, "--limit", "pi-3")
        assert outcome.code == 0, outcome.text[-5000:]
        hosts.await_state("pi-3", "drained")
        client.drain("pi-3", drained=False)
    installed = hosts.hosts["pi-3"].shell("ls /opt/fedbed/venv/lib/python3*/site-packages")
    assert "0.1.0.post2" in installed


def test_logs_are_fetched(hosts: Lab, inventory: Path, tmp_path: Path) -> None:
    where = f"fedbed_logs_folder={tmp_path}"
    succeeded(hosts.play("collect_logs.yml", inventory, "--extra-vars", where))
    for name in NAMES:
        assert "joined https://" in (tmp_path / name / "journal.log").read_text()
        assert "coordinator: https://" in (tmp_path / name / "settings.log").read_text()


def test_of_a_node_that_is_decommissioned_nothing_is_left(hosts: Lab, inventory: Path) -> None:
    outcome = hosts.play("decommission.yml", inventory)
    succeeded(outcome)
    assert set(outcome.changed.values()) != {0}
    for host in hosts.hosts.values():
        assert host.traces() == []
        # Files of packages are as these brought them.
        assert host.run("dpkg", "--verify", "zram-tools", "chrony") == ""
    with hosts.client() as client:
        assert client.nodes() == []
    again = hosts.play("decommission.yml", inventory)
    succeeded(again)
    assert set(again.changed.values()) == {0}


class Watch:
    """Notes in which states nodes are, until it ends."""

    def __init__(self, hosts: Lab, seen: set[tuple[str, str]]) -> None:
        self._hosts = hosts
        self._seen = seen
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        with self._hosts.client() as client:
            while not self._over.wait(0.2):
                self._seen.update((n["name"], n["state"]) for n in client.nodes())


def ended(client: Client, run_id: str) -> dict[str, Any]:
    """Wait until a run has ended; returns it."""
    over = ("finished", "failed", "stopped")
    until(lambda: client.run(run_id)["state"] in over, "the end of the run", 300)
    return client.run(run_id)


def renew(wheelhouse: Path, post: int) -> None:
    """Make the wheelhouse's fedbed another version, one that ends in .post1 or so."""
    (old,) = wheelhouse.glob("*/fedbed/*.whl")
    version = old.name.split("-")[1]
    later = f"{version.partition('.post')[0]}.post{post}"
    new = old.with_name(old.name.replace(version, later))
    with zipfile.ZipFile(old) as source, zipfile.ZipFile(new, "w") as target:
        for item in source.infolist():
            data = source.read(item)
            name = item.filename.replace(f"-{version}.dist-info", f"-{later}.dist-info")
            if name.endswith(".dist-info/METADATA"):
                data = re.sub(rb"^Version: .*$", f"Version: {later}".encode(), data, flags=re.M)
                metadata = data
            if name.endswith(".dist-info/RECORD"):
                digest = base64.urlsafe_b64encode(hashlib.sha256(metadata).digest())
                text = data.decode().replace(f"-{version}.dist-info", f"-{later}.dist-info")
                line = f"METADATA,sha256={digest.decode().rstrip('=')},{len(metadata)}"
                data = re.sub(r"METADATA,sha256=.*", line, text).encode()
            target.writestr(name, data)
    old.unlink()
    lock(new.parent)
