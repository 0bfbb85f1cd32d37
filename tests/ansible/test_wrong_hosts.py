"""What is wrong with one host stops the play there, with one message; a second run mends it.

All faults are tried in one run. Those that are found before anything is changed are further names
of the first host.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.ansible import targets
from tests.ansible.lab import Lab, Outcome, host_keys
from tests.ansible.targets import Target

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
EXPECTED = {
    "misspelt": "the variable fedbed_worker_pyhton; did you mean fedbed_worker_python?",
    "wrong-key": "its host key is not the one that is known",
    "silent": "no answer from ",
    "no-sudo": "Missing sudo password",
    "32-bit": "its system is 32-bit",
    "no-python": "has no python3",
    "fedora": "Fedora 39 is no system that these roles know",
    "expired": "has not joined. It says: fedbed agent: ",
    "offline": "be installed: Failed to update apt cache",
    "full": "no space left on its disk",
    "lonely": "has not joined. It says: fedbed.agent: no answer from the coordinator",
}
SOURCES = "/etc/apt/sources.list"
NOWHERE = "deb http://127.0.0.1:9/debian bookworm main"
LIVING = ("ready", "training", "update", "finish")


@pytest.fixture(scope="module")
def fedora(hosts: Lab) -> Iterator[Target]:
    """A host of a system that the roles don't know."""
    public = hosts.key.with_suffix(".pub").read_text().strip()
    with targets.target("fedora", hosts.net, public) as host:
        host.shell(
            "rm /etc/os-release /usr/lib/os-release /etc/debian_version;"
            "printf 'ID=fedora\\nNAME=Fedora\\nVERSION_ID=39\\n' > /etc/os-release"
        )
        yield host


@pytest.fixture(scope="module")
def offline(hosts: Lab) -> Iterator[Target]:
    """A bare host that reaches no package server."""
    public = hosts.key.with_suffix(".pub").read_text().strip()
    with targets.target("offline", hosts.net, public) as host:
        host.shell(f"cp {SOURCES} {SOURCES}.true; echo '{NOWHERE}' > {SOURCES}")
        yield host


@pytest.fixture(scope="module")
def expired(hosts: Lab) -> str:
    """An enrolment token whose time is over."""
    with hosts.client() as client:
        token = str(client.enrol(expires_s=0.1)["token"])
    time.sleep(0.2)
    return token


@pytest.fixture(scope="module")
def first(hosts: Lab, fedora: Target, offline: Target, expired: str) -> Outcome:
    """The first run, with all faults at once, and one host without."""
    one, two, three = hosts.hosts.values()
    one.shell(
        "useradd --create-home guest; cp -r /home/lab/.ssh /home/guest; chown -R guest /home/guest;"
        "printf '#!/bin/sh\\nexec setarch i686 python3 \"$@\"\\n' > /usr/local/bin/python-i686;"
        "chmod +x /usr/local/bin/python-i686"
    )
    two.shell("mkdir -p /opt/fedbed && mount -t tmpfs -o size=1m none /opt/fedbed")
    names = ("misspelt", "wrong-key", "silent", "no-sudo", "32-bit", "no-python", "lonely")
    everybody = [replace(one, name=name) for name in names]
    everybody += [fedora, offline, replace(two, name="full"), replace(three, name="expired")]
    own: dict[str, dict[str, object]] = {
        "misspelt": {"fedbed_worker_pyhton": "/usr/bin/python3"},
        "wrong-key": {"ansible_ssh_extra_args": "-o HostKeyAlias=other -o ControlPath=none"},
        "silent": {"ansible_host": one.address.rpartition(".")[0] + ".250"},
        "no-sudo": {"ansible_user": "guest"},
        "32-bit": {"ansible_python_interpreter": "/usr/local/bin/python-i686"},
        "no-python": {"ansible_python_interpreter": "/usr/bin/python4"},
        "offline": {"fedbed_zram_percent": 0},
        "expired": {"fedbed_enrol_token": expired},
        "lonely": {
            "fedbed_coordinator_url": "http://127.0.0.1:9",
            "fedbed_enrol_token": "not-looked-at",
            "fedbed_join_timeout_s": 5,
        },
    }
    inventory = hosts.inventory(everybody, own=own)
    with (hosts.folder / "known_hosts").open("a") as known:
        known.writelines(f"other {key}\n" for key in host_keys(two))
    return hosts.play("provision.yml", inventory)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_play_stops_with_one_message(first: Outcome, name: str) -> None:
    messages = [m for m in first.messages(name) if "UNREACHABLE" not in m]
    assert len(messages) == 1, first.text[-6000:]
    assert EXPECTED[name] in messages[0]


def test_no_token_is_told(first: Outcome, expired: str) -> None:
    assert expired not in first.text


def test_a_second_run_mends_it(hosts: Lab, first: Outcome, offline: Target) -> None:
    one, two, three = hosts.hosts.values()
    two.shell("umount /opt/fedbed")
    offline.shell(f"mv {SOURCES}.true {SOURCES}")
    with hosts.client() as client:
        good = str(client.enrol()["token"])
    mended = [
        offline,
        replace(one, name="lonely"),
        replace(two, name="full"),
        replace(three, name="expired"),
    ]
    own: dict[str, dict[str, object]] = {
        "expired": {"fedbed_enrol_token": good},
        "offline": {"fedbed_zram_percent": 0},
    }
    outcome = hosts.play("provision.yml", hosts.inventory(mended, own=own))
    assert outcome.code == 0, outcome.text[-5000:]
    assert good not in outcome.text
    for name in ("offline", "lonely", "full", "expired"):
        hosts.await_state(name, *LIVING)
