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
FAKE_SWAP = (
    "[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/bin/true\\n"
    "[Install]\\nWantedBy=multi-user.target\\n"
)
"""Of the unit that makes swap on a card; it makes none."""


def test_a_raspberry_pi_limits_memory_and_is_watched(hosts: Lab) -> None:
    host = hosts.hosts["pi-1"]
    host.shell("mkdir -p /boot/firmware; echo 'console=tty1 rootwait' > /boot/firmware/cmdline.txt")
    host.shell(f"printf '{FAKE_SWAP}' > /etc/systemd/system/dphys-swapfile.service")
    host.shell("touch /etc/dphys-swapfile; systemctl enable --now dphys-swapfile")
    inventory = hosts.inventory([host], group="raspberry_pi")
    first = hosts.play("provision.yml", inventory, "--tags", "board")
    assert first.code == 0, first.text[-4000:]
    assert "pi-1 needs a reboot" in first.text
    words = host.run("cat", "/boot/firmware/cmdline.txt")
    assert words == "console=tty1 rootwait cgroup_enable=memory\n"
    shown = host.run("systemctl", "show", "--property=RuntimeWatchdogUSec")
    assert shown.strip() == "RuntimeWatchdogUSec=15s"
    assert host.run("systemctl", "is-enabled", "dphys-swapfile", check=False) == "disabled\n"
    again = hosts.play("provision.yml", inventory, "--tags", "board")
    assert again.changed == {"pi-1": 0}, again.text
    # What somebody has changed since stays so.
    host.shell("sed -i 's/rootwait/quiet/' /boot/firmware/cmdline.txt")
    out = hosts.play("decommission.yml", inventory)
    assert out.code == 0, out.text[-4000:]
    assert host.run("cat", "/boot/firmware/cmdline.txt") == "console=tty1 quiet\n"
    assert host.run("systemctl", "is-active", "dphys-swapfile") == "active\n"
    assert host.run("systemctl", "is-enabled", "dphys-swapfile") == "enabled\n"
    shown = host.run("systemctl", "show", "--property=RuntimeWatchdogUSec")
    assert shown.strip() == "RuntimeWatchdogUSec=0"
    assert host.traces() == []


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
    host.shell("printf '#!/bin/sh\n' > /usr/bin/jetson_clocks; chmod +x /usr/bin/jetson_clocks")
    held = {"fedbed_jetson_require_cuda": False, "fedbed_jetson_clocks": True}
    inventory = hosts.inventory([host], held, group="jetson")
    second = hosts.play("provision.yml", inventory, "--tags", "board")
    assert second.code == 0, second.text[-4000:]
    assert host.run("systemctl", "is-enabled", "fedbed-jetson-clocks") == "enabled\n"
    again = hosts.play("provision.yml", inventory, "--tags", "board")
    assert again.changed == {"pi-2": 0}, again.text
    out = hosts.play("decommission.yml", inventory)
    assert out.code == 0, out.text[-4000:]
    assert host.traces() == []
