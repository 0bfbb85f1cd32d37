"""Telegraf on a host, with a stand-in for its package: what is called so here only waits.

The stand-in has the package's user, settings file and unit, and starts where the unit's user can
read settings and token. One story: each test goes on where the one before it has ended.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ansible.lab import Lab, Outcome
from tests.ansible.targets import Target, docker

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
TOKEN = "b3BlbiBzZXNhbWUgYW5kIGNsb3NlIGFnYWlu"
SETTINGS = "/etc/telegraf/telegraf.conf"
SOURCES = "/etc/apt/sources.list /etc/apt/sources.list.d"
CONTROL = """Package: telegraf
Version: 0-stand-in
Architecture: all
Maintainer: the tests of fedbed
Description: a stand-in for Telegraf that only waits
"""
PARTS = {
    "DEBIAN/control": CONTROL,
    "DEBIAN/conffiles": f"{SETTINGS}\n",
    "DEBIAN/postinst": "#!/bin/sh\ngetent group telegraf || useradd --system telegraf\n",
    SETTINGS[1:]: "# what comes with the package\n",
    "usr/bin/telegraf": '#!/bin/sh\ngrep -q urls "$2" && [ -n "$INFLUX_TOKEN" ] && '
    "exec sleep infinity\n",
    "lib/systemd/system/telegraf.service": f"""[Service]
EnvironmentFile=-/etc/default/telegraf
User=telegraf
ExecStart=/usr/bin/telegraf -config {SETTINGS}
[Install]
WantedBy=multi-user.target
""",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package source, as apt reads it, that holds the stand-in."""
    folder, tree = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("package")
    for name, text in PARTS.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)
    package = folder / "telegraf.deb"
    command = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(package)]
    subprocess.run(command, check=True, capture_output=True)
    data = package.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    where = f"Filename: ./{package.name}\nSize: {len(data)}\nSHA256: {digest}\n"
    (folder / "Packages").write_text(CONTROL + where)
    return folder


@pytest.fixture(scope="module")
def host(hosts: Lab) -> Iterator[Target]:
    """A host with no package source at all."""
    pi = hosts.hosts["pi-2"]
    pi.shell(f"tar -cf /root/sources.tar {SOURCES}; rm -rf {SOURCES} /var/lib/apt/lists/*")
    yield pi
    pi.shell("rm -f /etc/apt/sources.list; tar -C / -xf /root/sources.tar")


def play(hosts: Lab, host: Target, playbook: str = "provision.yml", **more: str) -> Outcome:
    variables = {
        "fedbed_telegraf": True,
        "fedbed_influx_url": "http://lab-pc:8086",
        "fedbed_influx_token": TOKEN,
        **more,
    }
    tags = ["--tags", "telegraf"] if playbook == "provision.yml" else []
    outcome = hosts.play(playbook, hosts.inventory([host], variables), "-vvv", *tags)
    assert TOKEN not in outcome.text
    return outcome


def pid(host: Target) -> str:
    return host.run("systemctl", "show", "--value", "--property=MainPID", "telegraf").strip()


def test_without_a_database_or_a_package_it_says_what_to_do(hosts: Lab, host: Target) -> None:
    (told,) = play(hosts, host, fedbed_influx_url="").messages("pi-2")
    assert "fedbed_telegraf is on and fedbed_influx_url is empty: name one" in told
    *_, told = play(hosts, host).messages("pi-2")
    assert "pi-2: telegraf can't be installed: No package" in told.replace("''", "'")
    assert "add a package source that has it, or say fedbed_telegraf=false" in told


def test_it_is_installed_and_writes_to_the_database_that_is_named(
    hosts: Lab, host: Target, source: Path
) -> None:
    docker("cp", str(source), f"{host.container}:/srv/stand-in")
    host.shell("echo 'deb [trusted=yes] file:/srv/stand-in ./' > /etc/apt/sources.list")
    outcome = play(hosts, host)
    assert outcome.code == 0, outcome.text[-4000:]
    settings = host.run("cat", SETTINGS)
    assert 'urls = ["http://lab-pc:8086"]' in settings
    assert 'hostname = "pi-2"' in settings
    assert TOKEN not in settings
    assert host.run("stat", "-c", "%U %G %a", SETTINGS) == "root telegraf 640\n"
    assert host.run("cat", "/etc/default/telegraf") == f"INFLUX_TOKEN={TOKEN}\n"
    assert host.run("stat", "-c", "%U %a", "/etc/default/telegraf") == "root 600\n"
    assert host.run("systemctl", "is-active", "telegraf") == "active\n"
    assert host.run("systemctl", "is-enabled", "telegraf") == "enabled\n"


def test_again_it_changes_nothing_and_another_interval_restarts_it(
    hosts: Lab, host: Target
) -> None:
    before = pid(host)
    assert play(hosts, host).changed == {"pi-2": 0}
    assert pid(host) == before
    assert play(hosts, host, fedbed_telegraf_interval="5s").code == 0
    assert 'interval = "5s"' in host.run("cat", SETTINGS)
    assert pid(host) not in ("0", before)


def test_it_rests_when_the_node_is_decommissioned(hosts: Lab, host: Target) -> None:
    outcome = play(hosts, host, "decommission.yml")
    assert outcome.code == 0, outcome.text[-4000:]
    assert host.run("systemctl", "is-active", "telegraf", check=False) == "inactive\n"
    assert host.run("systemctl", "is-enabled", "telegraf", check=False) == "disabled\n"
    assert host.shell(f"ls {SETTINGS} /etc/default/telegraf 2>/dev/null", check=False) == ""
