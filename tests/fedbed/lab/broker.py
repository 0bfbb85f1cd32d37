"""A real mosquitto that asks for passwords, and nothing else."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.parts import need

_PATIENCE_S = 30.0


@contextmanager
def mosquitto(folder: Path, passwords: Path) -> Iterator[int]:
    """Run a broker with a password file; yields its port. Skips where it isn't installed."""
    need(shutil.which("mosquitto") is not None, "the package mosquitto is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config = folder / "mosquitto.conf"
    config.write_text(
        f"user root\nlistener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
    )
    with (folder / "mosquitto.log").open("wb") as log:
        process = subprocess.Popen(["mosquitto", "-c", str(config)], stdout=log, stderr=log)
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


def lets_in(port: int, user: str, password: str) -> bool:
    """Whether the broker lets somebody in."""
    found: list[bool] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.username_pw_set(user, password)
    client.on_connect = lambda _c, _u, _f, reason, _p: found.append(not reason.is_failure)
    client.connect("127.0.0.1", port)
    until = time.monotonic() + _PATIENCE_S
    while not found and time.monotonic() < until:
        client.loop(0.5)
    client.disconnect()
    return found[0]


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
    raise RuntimeError(f"mosquitto doesn't listen on port {port}")
