"""With a hand-made copy of /sys/class/leds."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from edge_agent.led import Led

LIMIT_S = 10.0


def led(folder: Path) -> Path:
    """A light as a Raspberry Pi has it: the chosen trigger is in brackets."""
    folder.mkdir()
    (folder / "trigger").write_text("none rc-feedback timer [mmc0] heartbeat\n")
    return folder


def test_it_blinks_for_a_while_and_shows_again_what_it_did(tmp_path: Path) -> None:
    trigger = led(tmp_path / "ACT") / "trigger"
    made = Led([tmp_path / "none", tmp_path / "ACT"])
    assert made.blink(0.05)
    limit = time.monotonic() + LIMIT_S
    while trigger.read_text() != "mmc0":
        assert time.monotonic() < limit
        threading.Event().wait(0.01)


def test_asked_twice_it_blinks_on_and_remembers_what_it_did_at_first(tmp_path: Path) -> None:
    trigger = led(tmp_path / "ACT") / "trigger"
    made = Led([tmp_path / "ACT"])
    assert made.blink(60)
    assert made.blink(60)
    assert trigger.read_text() == "timer"
    made.stop()
    assert trigger.read_text() == "mmc0"
    made.stop()


def test_without_a_light_that_may_be_switched_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "ACT" / "trigger").mkdir(parents=True)  # which nobody can write to, not even root
    made = Led([tmp_path / "none", tmp_path / "ACT"])
    assert not made.blink(60)
    made.stop()
