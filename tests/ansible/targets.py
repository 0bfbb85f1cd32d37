"""Debian hosts for the playbooks: containers with systemd as their first process, and sshd.

Bare but for those two, sudo and a Python, as a system's image for a board is. The image is made
once, of Debian's own packages, and kept in ~/.cache/fedbed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.parts import need

IMAGE = "fedbed-test-host:bookworm-1"
SUITE = "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus,openssh-server,sudo,python3,python3-apt,ca-certificates"
USER = "lab"
PATIENCE_S = 60.0


def docker(*arguments: str, check: bool = True, give: str | None = None) -> str:
    """Run docker; returns what it prints. AssertionError with what it says if it fails."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, input=give, check=False
    )
    assert not check or done.returncode == 0, f"docker {arguments[0]}: {done.stderr or done.stdout}"
    return done.stdout


def need_docker() -> None:
    """Skip where there is no Docker to make hosts with, or nothing to make them from."""
    need(shutil.which("docker") is not None, "Docker is not installed")
    asked = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    need(asked.returncode == 0, "dockerd doesn't answer")
    need(Path("/sys/fs/cgroup/systemd").is_dir(), "there are no control groups of version 1")
    if not docker("images", "--quiet", IMAGE):
        need(shutil.which("debootstrap") is not None, "the package debootstrap is not installed")
        need(os.geteuid() == 0, "debootstrap must be run by root")


def make_image(cache: Path) -> None:
    """Have the image: as it is, from the cache, or made of packages."""
    if docker("images", "--quiet", IMAGE):
        return
    archive = cache / f"{IMAGE.replace(':', '-')}.tar"
    if not archive.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        root = cache / f"making-{os.getpid()}"
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout[-1000:]
            for package in (root / "var/cache/apt/archives").glob("*.deb"):
                package.unlink()
            part = archive.with_suffix(".part")
            subprocess.run(["tar", "-C", str(root), "-cf", str(part), "."], check=True)
            part.replace(archive)
        finally:
            shutil.rmtree(root, ignore_errors=True)
    docker("import", "--change", 'CMD ["/sbin/init"]', str(archive), IMAGE)


@dataclass(frozen=True)
class Target:
    """A host that is a container."""

    name: str
    container: str
    address: str

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command there as root; returns what it prints."""
        return docker("exec", self.container, *command, check=check)

    def shell(self, script: str, check: bool = True) -> str:
        """Run a script there as root; returns what it prints."""
        return self.run("sh", "-c", script, check=check)

    def traces(self) -> list[str]:
        """Return what there is of fedbed: users, units, processes and files."""
        commands: tuple[tuple[str, ...], ...] = (
            ("getent", "passwd"),
            ("getent", "group"),
            ("systemctl", "list-unit-files", "--no-legend"),
            ("ps", "-e", "-o", "args"),
            ("find", "/", "-xdev", "-path", "/proc", "-prune", "-o", "-name", "*fedbed*", "-print"),
        )
        lines = [line for command in commands for line in self.run(*command).splitlines()]
        return [line for line in lines if "fedbed" in line]

    def reboot(self) -> None:
        """End all its processes and start it again, as after a power cut, and wait until it is up.

        Its address stays the same.
        """
        docker("restart", "--time", "10", self.container)
        self.await_up()

    def await_up(self) -> None:
        """Wait until systemd has started everything."""
        states = ("running", "degraded")
        until(
            lambda: self.run("systemctl", "is-system-running", check=False).strip() in states,
            f"the start of {self.name}",
        )


@contextmanager
def network(name: str) -> Iterator[str]:
    """Make a network of Docker's; gives this machine's address in it."""
    docker("network", "create", name)
    try:
        form = "{{(index .IPAM.Config 0).Gateway}}"
        yield docker("network", "inspect", "--format", form, name).strip()
    finally:
        docker("network", "rm", name, check=False)


@contextmanager
def target(name: str, net: str, public_key: str, *flags: str) -> Iterator[Target]:
    """Start a host into which USER is let by ssh with a key, and who may become root there.

    flags: more for `docker run`.
    """
    command = ["run", "--detach", "--hostname", name, "--network", net]
    command += ["--stop-signal", "SIGRTMIN+3", "--env", "container=docker"]
    command += ["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"]
    command += ["--volume", "/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw"]
    command += ["--tmpfs", "/run", "--tmpfs", "/run/lock", *flags, IMAGE]
    container = docker(*command).strip()
    try:
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        address = docker("inspect", "--format", form, container).strip()
        made = Target(name, container, address)
        made.await_up()
        made.shell(
            "rm -f /etc/ssh/ssh_host_*; ssh-keygen -qA;"
            "systemctl restart ssh; systemctl reset-failed;"
            f"useradd --create-home --shell /bin/bash {USER}; cd /home/{USER};"
            f"install -d -o {USER} -m 700 .ssh; echo '{public_key}' > .ssh/authorized_keys;"
            f"echo '{USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{USER}"
        )
        yield made
    finally:
        docker("rm", "--force", "--volumes", container, check=False)


def until(found: Callable[[], object], what: str, limit_s: float = PATIENCE_S) -> None:
    """Wait until `found()` is true."""
    limit = time.monotonic() + limit_s
    while time.monotonic() < limit:
        with suppress(AssertionError):
            if found():
                return
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {limit_s:g} s")
