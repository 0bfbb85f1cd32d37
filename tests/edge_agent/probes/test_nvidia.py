"""nvidia-smi, played by a fake that writes what its manual describes."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from edge_agent.probes import nvidia
from edge_agent.probes.nvidia import AGAIN_S, PATIENCE_S, QUERY, SILENCE_S, NvidiaProbe
from fedbed.telemetry.point import Sample
from tests.edge_agent.probes.handmade import Seconds, wrong

LIMIT_S = 30.0
CARDS = """
say("0, 87, 41, 10240, 24576, 1695, 64, 298.53")
say("1, 0, 0, 3, 24576, 210, 31, [N/A]")
"""
FAKE = f"""#!{sys.executable} -S
import os, sys, time
def say(text):
    print(text, flush=True)
with open(__file__ + ".calls", "a") as f:
    print(os.getpid(), *sys.argv[1:], file=f)
"""
Make = Callable[[str], NvidiaProbe]


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def make(tmp_path: Path, clock: Seconds) -> Iterator[Make]:
    made: list[NvidiaProbe] = []

    def make(body: str) -> NvidiaProbe:
        program = tmp_path / "nvidia-smi"
        program.write_text(FAKE + body)
        program.chmod(0o755)
        made.append(NvidiaProbe(0.5, str(tmp_path), clock))
        return made[-1]

    yield make
    for probe in made:
        probe.close()


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "nvidia-smi.calls").read_text().splitlines()


def heard(probe: NvidiaProbe) -> list[Sample]:
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        samples = probe.read()
        if samples:
            assert wrong(samples) == []
            return samples
        assert not probe.absent
        time.sleep(0.02)
    raise AssertionError("nothing came")


def until(predicate: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT_S
    while not predicate():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_each_card_has_load_memory_clock_temperature_and_power(
    make: Make, clock: Seconds, tmp_path: Path
) -> None:
    probe = make(f"while True:\n    {CARDS.strip().replace(chr(10), chr(10) + '    ')}\n"
                 "    time.sleep(0.2)")  # fmt: skip
    cards: dict[tuple[str, str], dict[str, object]] = {}
    while len(cards) < 5:
        for s in heard(probe):
            cards[s.measurement, next(iter(s.tags.values()))] = dict(s.fields)
    assert cards["fedbed_gpu", "0"] == {
        "usage": 87.0,
        "memory_bandwidth": 41.0,
        "frequency": 1.695e9,
        "memory_used": 10240 << 20,
        "memory_total": 24576 << 20,
    }
    assert cards["fedbed_temperature", "gpu-0"] == {"value": 64.0}
    assert cards["fedbed_power", "gpu-0"]["power"] == 298.53
    assert cards["fedbed_gpu", "1"]["usage"] == 0.0
    assert ("fedbed_power", "gpu-1") not in cards
    clock.now += 2.0
    power = next(s for s in heard(probe) if s.measurement == "fedbed_power")
    assert power.fields["energy"] == pytest.approx(2 * 298.53)
    (call,) = calls(tmp_path)
    assert f"--query-gpu={','.join(QUERY)}" in call
    assert "--format=csv,noheader,nounits --loop-ms=500" in call


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("say('No devices were found'); sys.exit(6)", "exit code 6: No devices were found"),
        ("say('NVIDIA-SMI has failed.\\nMake sure ...'); sys.exit(9)", "NVIDIA-SMI has failed."),
        ("sys.exit(1)", "nvidia-smi ended with exit code 1"),
    ],
)
def test_without_a_card_it_is_absent_and_asked_once(
    make: Make, tmp_path: Path, body: str, why: str
) -> None:
    probe = make(body)
    assert not probe.absent
    until(lambda: probe.read() or probe.absent)
    assert why in probe.absent
    assert "\n" not in probe.absent
    assert len(calls(tmp_path)) == 1


def test_when_it_dies_it_is_started_anew_later(make: Make, clock: Seconds, tmp_path: Path) -> None:
    probe = make(CARDS + "time.sleep(600)")
    heard(probe)
    os.kill(int(calls(tmp_path)[0].split()[0]), signal.SIGKILL)
    with pytest.raises(ChildProcessError, match="exit code -9"):
        until(probe.read)
    assert probe.read() == []
    clock.now += AGAIN_S
    assert heard(probe)
    assert len(calls(tmp_path)) == 2


def test_its_first_line_may_take_longer(make: Make, clock: Seconds) -> None:
    probe = make("time.sleep(600)")
    probe.read()
    clock.now += PATIENCE_S - 1
    assert probe.read() == []
    clock.now += 2
    with pytest.raises(TimeoutError):
        probe.read()


def test_when_it_hangs_it_is_killed_and_started_anew_later(
    make: Make, clock: Seconds, tmp_path: Path
) -> None:
    probe = make(CARDS + "time.sleep(600)")
    heard(probe)
    pid = int(calls(tmp_path)[0].split()[0])
    clock.now += SILENCE_S + 1
    with pytest.raises(TimeoutError, match="has said nothing for 10 s"):
        until(probe.read)
    assert not psutil.pid_exists(pid)
    clock.now += AGAIN_S
    assert heard(probe)


def test_it_ends_with_the_probe(make: Make, tmp_path: Path) -> None:
    probe = make(CARDS + "time.sleep(600)")
    heard(probe)
    pid = int(calls(tmp_path)[0].split()[0])
    probe.close()
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        (", ".join(["0"] * len(QUERY)), True),
        ("0, 1, 2", False),
        ("", False),
        ("NVIDIA-SMI has failed, because, of, a, driver, mismatch, here", False),
    ],
)
def test_what_is_a_cards_line(line: str, is_one: bool) -> None:
    assert nvidia._is_card(line) is is_one
