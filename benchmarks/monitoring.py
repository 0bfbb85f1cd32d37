"""What it costs a node to be watched: trained with samples each second and without, in turn."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks import memory
from benchmarks.rounds import await_end
from benchmarks.rows import Row
from fedbed.client import Client
from fedbed.errors import RequirementMissing
from fedbed.telemetry.topics import SAMPLES, everybody
from fedbed.testbed import LocalTestbed

TURNS, QUICK_TURNS = 5, 2
START_S = 10.0
WITHOUT = "the same without"
# In numpy with one thread: about eight seconds of computing a round, and no libraries to load.
EXPERIMENT = """
name: watched
task: mnist_softmax
data: {{dataset: synthetic-digits, train_samples: 8000, test_samples: 200}}
federation: {{nodes: 1, rounds: {rounds}, local_epochs: 40, deadline: 10m}}
centralised: {{enabled: false}}
"""


@dataclass(frozen=True)
class Turn:
    """One run on one agent. train_s: of each round but the first, which warms up.

    resident: the agent's memory afterwards, MB. share: % of a core that it used meanwhile.
    """

    train_s: list[float]
    resident: float
    share: float


def measure(quick: bool) -> list[Row]:
    """Turn about, so that what else goes on here meets both sides alike."""
    turns: dict[bool, list[Turn]] = {True: [], False: []}
    with _broker() as port, _subscriber(port) as heard:
        for number in range(QUICK_TURNS if quick else TURNS):
            for watched in (number % 2 == 0, number % 2 == 1):
                turns[watched].append(_turn(f"mqtt://127.0.0.1:{port}" if watched else "", quick))
        points = len(heard)
    return rows(turns[True], turns[False], points)


def rows(watched: list[Turn], alone: list[Turn], points: int) -> list[Row]:
    """Lay both sides beside each other. points: that have come from the watched ones."""
    here, there = ([s for turn in side for s in turn.train_s] for side in (watched, alone))
    resident, resident_alone = (median(t.resident for t in side) for side in (watched, alone))
    share, share_alone = (median(t.share for t in side) for side in (watched, alone))
    return [
        Row(
            "training with a sample each second",
            median(here),
            "s",
            goal=1 / 1.01,
            at_least=True,
            of_ratio=True,
            peer=median(there),
            peer_name=WITHOUT,
            note=f"median of {len(here)} rounds each; {points} points came meanwhile; rounds "
            f"without differ by {100 * (max(there) / min(there) - 1):.1f} %",
        ),
        Row(
            "agent's memory for it",
            resident - resident_alone,
            "MB",
            goal=6,
            note=f"{resident:.1f} MB resident beside {resident_alone:.1f} MB",
        ),
        Row(
            "agent's share of a core for it",
            share - share_alone,
            "%",
            goal=0.5,
            note=f"{share:.2f} % beside {share_alone:.2f} %, both of them with a run",
        ),
    ]


def _turn(broker: str, quick: bool) -> Turn:
    experiment = EXPERIMENT.format(rounds=3 if quick else 5)
    with LocalTestbed(nodes=1, env={"FEDBED_BROKER": broker}) as testbed:
        agent = [psutil.Process(testbed.processes[1].pid)]
        with Client(testbed.url) as client, tempfile.TemporaryDirectory() as folder:
            began, before = time.monotonic(), memory.cpu_s(agent)
            run = client.submit(name="watched", experiment=experiment, seed=1, twin=False)
            await_end(client, run)
            share = 100 * (memory.cpu_s(agent) - before) / (time.monotonic() - began)
            client.download(run, Path(folder))
            result = json.loads((Path(folder) / "result.json").read_text())
        train_s = [entry["nodes"][0]["timeline"]["work_s"] for entry in result["history"]]
        return Turn(train_s[1:], memory.of(agent).resident, share)


@contextmanager
def _broker() -> Iterator[int]:
    """Run a broker for this alone; yields its port. RequirementMissing where there is none."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        raise RequirementMissing("mosquitto isn't installed (Debian: apt install mosquitto)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        process = subprocess.Popen(  # nosec B603 # the broker that was found
            [program, "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _await(port, process)
            yield port
        finally:
            process.terminate()
            process.wait()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RequirementMissing(f"mosquitto doesn't come up within {START_S:g} s")


@contextmanager
def _subscriber(port: int) -> Iterator[list[str]]:
    """Listen to all samples: a broker that nobody listens to has agents keep theirs."""
    heard: list[str] = []

    def hear(_client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        heard.extend(message.payload.decode().splitlines())

    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_connect = lambda c, *_: c.subscribe(everybody(SAMPLES), qos=1)
    client.on_message = hear
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()
