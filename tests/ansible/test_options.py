"""What a host gets only where it is asked for: a firewall, Docker, Telegraf."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from functools import partial

import jinja2
import pytest
import tomllib

from fedbed.lab.variables import ROLES, specs
from tests.ansible import targets
from tests.ansible.lab import Lab
from tests.ansible.targets import Target, until

WANTED = {
    "fedbed_chrony": False,
    "fedbed_zram_percent": 0,
    "fedbed_firewall": True,
    "fedbed_firewall_ports": [8080],
    "fedbed_docker": True,
}


@pytest.fixture
def host(hosts: Lab) -> Iterator[Target]:
    """A bare host that may set rules of its network, and keep images."""
    public = hosts.key.with_suffix(".pub").read_text().strip()
    flags = ("--cap-add", "NET_ADMIN", "--volume", "/var/lib/docker")
    with targets.target("nuc", hosts.net, public, *flags) as made:
        yield made


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_a_firewall_lets_in_what_it_is_told_and_docker_runs_beside_it(
    hosts: Lab, host: Target
) -> None:
    for port in (8080, 8081):
        host.shell(f"systemd-run --quiet python3 -m http.server {port}")
        until(partial(answers, host, port), f"port {port}")
    inventory = hosts.inventory([host], WANTED)
    tags = ("--tags", "base,docker")
    first = hosts.play("provision.yml", inventory, *tags)
    assert first.code == 0, first.text[-4000:]
    assert answers(host, 8080)
    assert not answers(host, 8081)
    limits = json.loads(host.run("cat", "/etc/docker/daemon.json"))
    assert limits["log-opts"] == {"max-size": "10m", "max-file": "3"}
    assert host.run("docker", "info", "--format", "{{.LoggingDriver}}") == "local\n"
    again = hosts.play("provision.yml", inventory, *tags)
    assert again.changed == {"nuc": 0}, again.text
    # Rules that are loaded anew leave Docker's where they are.
    host.run("systemctl", "reload", "nftables")
    assert "DOCKER-USER" in host.run("nft", "list", "ruleset")


def test_telegraf_is_told_in_words_that_it_reads() -> None:
    _, _, defaults = specs("telegraf")
    given = {"fedbed_influx_url": "http://pc:8086", "inventory_hostname": "pi-1"}
    text = (ROLES / "telegraf" / "templates" / "telegraf.conf.j2").read_text()
    template = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(text)
    settings = tomllib.loads(template.render(ansible_managed="by Ansible", **{**defaults, **given}))
    assert settings["agent"]["hostname"] == "pi-1"
    assert settings["agent"]["interval"] == "10s"
    (output,) = settings["outputs"]["influxdb_v2"]
    assert output["urls"] == ["http://pc:8086"]
    # The token itself is in a file that only root reads.
    assert output["token"] == "${INFLUX_TOKEN}"


def answers(host: Target, port: int) -> bool:
    """Whether a connection to a host's port is taken."""
    try:
        socket.create_connection((host.address, port), timeout=1).close()
    except OSError:
        return False
    return True
