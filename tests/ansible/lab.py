"""A lab for the playbooks: a coordinator here that hosts reach, an inventory, and Ansible."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fedbed.authority import make_ca
from fedbed.client import Client
from tests.ansible import targets
from tests.ansible.targets import USER, Target
from tests.parts import need

ROOT = Path(__file__).parents[2]
PLAYBOOKS = ROOT / "ansible"
BIN = Path(sys.executable).parent
_RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.M)


@dataclass(frozen=True)
class Outcome:
    """How a playbook went."""

    code: int
    text: str
    took_s: float

    @property
    def changed(self) -> dict[str, int]:
        """How much was changed, by host."""
        return {m[1]: int(m[3]) for m in _RECAP.finditer(self.text)}

    @property
    def failed(self) -> set[str]:
        """Hosts at which the play stopped."""
        found = _RECAP.finditer(self.text)
        return {m[1] for m in found if int(m[4]) or int(m[5])}

    def messages(self, host: str) -> list[str]:
        """Return what was said of a host's failures."""
        blocks = re.split(r"\n(?=\S)", self.text)
        ours = [b for b in blocks if re.match(rf"(fatal|failed): \[{re.escape(host)}\b", b)]
        return [" ".join(block.split()) for block in ours]


@dataclass
class Lab:
    """Hosts, the coordinator that they can reach, and what Ansible is told of both."""

    folder: Path
    url: str
    ca: Path
    hosts: dict[str, Target]
    net: str
    wheelhouse: Path

    @property
    def admin_token(self) -> str:
        """The coordinator's own."""
        return (self.folder / "coordinator" / "admin.token").read_text().strip()

    def client(self) -> Client:
        """Return a client that may do everything; use it in a `with` statement."""
        return Client(self.url, token=self.admin_token, ca=self.ca)

    @property
    def key(self) -> Path:
        """The key with which ssh lets Ansible in."""
        return self.folder / "id"

    def inventory(
        self,
        hosts: Sequence[Target],
        variables: Mapping[str, Any] | None = None,
        own: Mapping[str, Mapping[str, Any]] | None = None,
        group: str = "x86",
        coordinator: Target | None = None,
    ) -> Path:
        """Write an inventory of `hosts`. variables: on top for all of them; own: for one each.

        coordinator: one that is to be provisioned, in place of ours.
        """
        known = self.folder / "known_hosts"
        everyone = [*hosts, *([coordinator] if coordinator else [])]
        lines = [f"{t.address} {key}" for t in everyone for key in host_keys(t)]
        known.write_text("\n".join(lines) + "\n")
        ssh = f"-o UserKnownHostsFile={known} -o GlobalKnownHostsFile=/dev/null"
        ours = {
            "fedbed_coordinator_url": self.url,
            "fedbed_ca_file": str(self.ca),
            "fedbed_admin_token": self.admin_token,
        }
        everybody = {
            "ansible_user": USER,
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": f"{ssh} -o StrictHostKeyChecking=yes",
            **({} if coordinator else ours),
            "fedbed_wheelhouse": str(self.wheelhouse),
            "fedbed_worker": "numpy",
            **(variables or {}),
        }
        mine = {t.name: {"ansible_host": t.address, **(own or {}).get(t.name, {})} for t in hosts}
        groups: dict[str, Any] = {"all": {"vars": everybody}, group: {"hosts": mine}}
        if coordinator:
            its = {coordinator.name: {"ansible_host": coordinator.address}}
            groups["coordinator"] = {"hosts": its}
        path = self.folder / "inventory.yml"
        path.write_text(yaml.safe_dump(groups))
        return path

    def play(self, playbook: str, inventory: Path, *flags: str) -> Outcome:
        """Run a playbook as a user does."""
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.folder / "home"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "cp"),
            "ANSIBLE_NOCOLOR": "1",
        }
        began = time.monotonic()
        done = subprocess.run(
            [str(BIN / "ansible-playbook"), playbook, "--inventory", str(inventory), *flags],
            cwd=PLAYBOOKS,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Outcome(done.returncode, done.stdout + done.stderr, time.monotonic() - began)

    def state(self, name: str) -> str:
        """Return a node's state as the coordinator sees it; empty if it knows none of that name."""
        with self.client() as client:
            return next((str(n["state"]) for n in client.nodes() if n["name"] == name), "")

    def await_state(self, name: str, *states: str) -> None:
        """Wait until a node is in one of these states."""
        targets.until(lambda: self.state(name) in states, f"{name} to be {' or '.join(states)}")


def host_keys(host: Target) -> list[str]:
    """Return a host's public keys for ssh."""
    found = host.shell("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub").splitlines()
    assert found
    return found


def need_ansible() -> None:
    """Skip where Ansible isn't installed."""
    need((BIN / "ansible-playbook").is_file(), "Ansible is not installed (the extra provision)")
    need(shutil.which("ssh") is not None, "the package openssh-client is not installed")


@contextmanager
def lab(folder: Path, names: Sequence[str], wheelhouse: Path) -> Iterator[Lab]:
    """Start a coordinator that asks for tokens and speaks TLS, and hosts that can reach it."""
    need_ansible()
    targets.need_docker()
    targets.make_image(Path.home() / ".cache" / "fedbed")
    net = f"fedbed-test-{os.getpid()}"
    with ExitStack() as stack:
        gateway = stack.enter_context(targets.network(net))
        ca, url = stack.enter_context(coordinator(folder, gateway))
        made = Lab(folder, url, ca, {}, net, wheelhouse)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(made.key)]
        subprocess.run(command, check=True)
        public = made.key.with_suffix(".pub").read_text().strip()
        for name in names:
            made.hosts[name] = stack.enter_context(targets.target(name, net, public))
        yield made


@contextmanager
def coordinator(folder: Path, address: str) -> Iterator[tuple[Path, str]]:
    """Run a coordinator at an address; gives its CA's file and its URL."""
    make_ca(folder / "ca")
    ready = folder / "coordinator.url"
    command = [sys.executable, "-m", "coordinator", "--host", address, "--port", "0"]
    command += ["--tls", str(folder / "ca"), "--state-dir", str(folder / "coordinator")]
    command += ["--ready-file", str(ready), "--stop-with-parent"]
    with (folder / "coordinator.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    try:
        targets.until(ready.is_file, "the coordinator's start")
        yield folder / "ca" / "ca.pem", ready.read_text()
    finally:
        process.terminate()
        process.wait(30)
        assert process.stdin is not None
        process.stdin.close()
