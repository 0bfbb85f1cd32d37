"""A real Mosquitto for tests, with the configuration and the access list that the project ships.

Only places and ports are put in: it listens on loopback, on ports of its own, with TLS and without.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from fedbed.authority import issue, make_ca
from tests.parts import need

PASSWORD = "pa55word-of-tests"
"""Everybody's."""
USERS = ("operator", "telegraf", "coordinator", "plugs", "pi-1", "pi-2")
MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
SHIPPED = Path(__file__).parents[1] / "monitoring" / "mosquitto"
PATIENCE_S = 30.0


@dataclass
class Broker:
    """A broker that may be stopped, started again and frozen; a `with` statement ends it."""

    folder: Path
    port: int
    tls_port: int
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where clients reach it without TLS."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        """Where clients reach it with TLS, whose certificate is for this name."""
        return f"mqtts://localhost:{self.tls_port}"

    @property
    def ca(self) -> Path:
        """The file of the CA that has issued its certificate."""
        return self.folder / "certs" / "ca.pem"

    @property
    def password_file(self) -> Path:
        """Holds the password of everybody, as the agent wants it."""
        return self.folder / "password"

    @property
    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "log").read_text(errors="replace")

    def add_users(self, names: Sequence[str], password: str = PASSWORD) -> None:
        """Let users in, or change their password; from the next start on."""
        for name in names:
            command = ["mosquitto_passwd", "-b", str(self.folder / "passwords"), name, password]
            subprocess.run(command, check=True, capture_output=True)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        assert self.process is None
        assert MOSQUITTO is not None
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [MOSQUITTO, "-c", str(self.folder / "mosquitto.conf")], stdout=log, stderr=log
            )
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            assert self.process.poll() is None, self.log
            time.sleep(0.02)
        raise AssertionError(self.log)

    def stop(self) -> None:
        """End it as its service would."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)
            self.process = None

    def lets_in(self, user: str, password: str) -> bool:
        """Whether it lets somebody in."""
        with self.client(user, password=password) as asked:
            return bool(asked.connected == "Success")

    def client(self, user: str, *filters: str, password: str = PASSWORD) -> Client:
        """Return a client that has connected and listens to `filters`; use it in a `with`."""
        return Client(self, user, filters, password)


class Client:
    """A client that isn't an agent; `messages` are those that have come, in order."""

    def __init__(self, broker: Broker, user: str, filters: Sequence[str], password: str) -> None:
        self.messages: list[mqtt.MQTTMessage] = []
        self._events: queue.Queue[Any] = queue.Queue()
        self._acks: dict[int, str] = {}
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        client.username_pw_set(user, password)
        client.on_connect = lambda _c, _d, _f, code, _p: self._events.put(str(code))
        client.on_subscribe = lambda *_: self._events.put("subscribed")
        client.on_message = lambda _c, _d, message: self.messages.append(message)
        client.on_publish = lambda _c, _d, mid, code, _p: self._acks.update({mid: str(code)})
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        self.connected = self._events.get(timeout=PATIENCE_S)
        if filters and self.connected == "Success":
            client.subscribe([(one, 1) for one in filters])
            assert self._events.get(timeout=PATIENCE_S) == "subscribed"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes | str, retain: bool = False) -> str:
        """Send a message; returns how the broker answers, "Success" if it takes it."""
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        told = str(until(lambda: self._acks.pop(sent.mid, None), f"an answer to {topic}"))
        return "Success" if told == "No matching subscribers" else told

    def send(self, topic: str, payload: bytes) -> None:
        """Send a message, whatever becomes of it."""
        self._client.publish(topic, payload, qos=1)

    @property
    def has_ended(self) -> bool:
        """Whether its connection is gone."""
        # One that breaks while it is written to still counts as connected, without a socket.
        return not self._client.is_connected() or self._client.socket() is None

    def of(self, topic: str) -> list[bytes]:
        """Return what has come on a topic."""
        return [bytes(m.payload) for m in list(self.messages) if m.topic == topic]

    def objects(self, topic: str) -> list[dict[str, Any]]:
        """Return the JSON that has come on a topic."""
        return [json.loads(payload) for payload in self.of(topic)]

    def lines(self, topic: str) -> list[str]:
        """Return the lines that have come on a topic."""
        return [line for payload in self.of(topic) for line in payload.decode().splitlines()]


def until(found: Callable[[], Any], what: str, limit_s: float = PATIENCE_S) -> Any:
    """Wait until `found()` is something; returns that."""
    limit = time.monotonic() + limit_s
    while time.monotonic() < limit:
        value = found()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what}: not within {limit_s:g} s")


@contextmanager
def broker(folder: Path, *more: str, passwords: Path | None = None) -> Iterator[Broker]:
    """Run a broker with files in `folder`; skip where it isn't installed.

    more: lines of config. passwords: its password file; without one, USERS all have PASSWORD.
    """
    need(MOSQUITTO is not None, "the package mosquitto is not installed")
    need(shutil.which("mosquitto_passwd") is not None, "mosquitto_passwd is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    made = Broker(folder, _free_port(), _free_port())
    for name in ("certs", "data"):
        (folder / name).mkdir(exist_ok=True)
    make_ca(folder / "certs")
    issue(folder / "certs", ["localhost"])
    made.password_file.write_text(PASSWORD + "\n")
    if passwords is None:
        (folder / "passwords").touch()
        made.add_users(USERS)
    else:
        shutil.copy(passwords, folder / "passwords")
    shutil.copy(SHIPPED / "acl", folder / "acl")
    config = (SHIPPED / "mosquitto.conf").read_text()
    for shipped, here in (
        ("/mosquitto/config/", f"{folder}/"),
        ("/mosquitto/certs/", f"{folder}/certs/"),
        ("/mosquitto/data/", f"{folder}/data/"),
        ("listener 8883", f"listener {made.tls_port} 127.0.0.1"),
        ("listener 1883", f"listener {made.port} 127.0.0.1"),
    ):
        assert shipped in config
        config = config.replace(shipped, here)
    # It would else become the user mosquitto, who can't read the folders of tests.
    user = "user root\n" if os.getuid() == 0 else ""
    (folder / "mosquitto.conf").write_text(user + config + "\n".join(more) + "\n")
    made.start()
    try:
        yield made
    finally:
        made.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
