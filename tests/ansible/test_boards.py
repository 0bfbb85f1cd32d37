"""What is particular to a Raspberry Pi and a Jetson, with stand-ins for what only a board has."""

from __future__ import annotations

import pytest

from tests.ansible.lab import Lab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
FAKE_NVPMODEL = """#!/bin/sh
# A fake of NVIDIA's program: keeps the mode in a file.
[ "$1" = -m ] && echo "$2" > /var/tmp/mode && exit 0
echo "NV Power Mode: FAKE"; cat /var/tmp/mode
"""


def test_a_raspberry_pi_limits_memory_and_is_watched(hosts: Lab) -> None:
    host = hosts.hosts["pi-1"]
    host.shell("mkdir -p /boot/firmware; echo 'console=tty1 rootwait' > /boot/firmware/cmdline.txt")
    inventory = hosts.inventory([host], group="raspberry_pi")
    first = hosts.play("provision.yml", inventory, "--tags", "board")
    assert first.code == 0, first.text[-4000:]
    assert "pi-1 needs a reboot" in first.text
    words = host.run("cat", "/boot/firmware/cmdline.txt")
    assert words == "console=tty1 rootwait cgroup_enable=memory\n"
    shown = host.run("systemctl", "show", "--property=RuntimeWatchdogUSec")
    assert shown.strip() == "RuntimeWatchdogUSec=15s"
    again = hosts.play("provision.yml", inventory, "--tags", "board")
    assert again.changed == {"pi-1": 0}, again.text


def test_a_jetson_has_its_power_mode_and_a_torch_that_sees_the_gpu(hosts: Lab) -> None:
    host = hosts.hosts["pi-2"]
    host.shell(
        "cat > /usr/sbin/nvpmodel <<'E'\n" + FAKE_NVPMODEL + "E\nchmod +x /usr/sbin/nvpmodel"
    )
    host.shell("echo 1 > /var/tmp/mode")
    inventory = hosts.inventory([host], group="jetson")
    first = hosts.play("provision.yml", inventory, "--tags", "board")
    assert first.failed == {"pi-2"}
    (message,) = first.messages("pi-2")
    assert "has no torch that sees the GPU" in message
    assert "No module named" in message
    assert host.run("cat", "/var/tmp/mode") == "0\n"
    without = {"fedbed_jetson_require_cuda": False}
    inventory = hosts.inventory([host], without, group="jetson")
    again = hosts.play("provision.yml", inventory, "--tags", "board")
    assert again.changed == {"pi-2": 0}, again.text
