from __future__ import annotations

import json
import logging
import queue
import threading
from typing import Any

import pytest

from edge_agent.broker.commands import AT_A_TIME, MAX_BYTES, BadCommand, Command, Commands, read
from fedbed.errors import FedbedError

LIMIT_S = 20.0


class Obedient:
    """Commands with two actions, and what was answered."""

    def __init__(self) -> None:
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.gate = threading.Event()
        self.commands = Commands(
            {"wait": self.wait, "fail": self.fail},
            lambda payload: self.answers.put(json.loads(payload)),
        )

    def wait(self) -> str:
        self.gate.wait(LIMIT_S)
        return "waited"

    def fail(self) -> str:
        raise FedbedError("there is nothing to do")

    def ask(self, payload: bytes | str | dict[str, Any]) -> None:
        if isinstance(payload, dict):
            payload = json.dumps(payload)
        self.commands.take(payload.encode() if isinstance(payload, str) else payload)

    def answer(self) -> dict[str, Any]:
        return self.answers.get(timeout=LIMIT_S)


def test_a_command_is_obeyed_and_answered_by_its_id() -> None:
    them = Obedient()
    them.ask({"id": "7", "command": "wait"})
    them.gate.set()
    assert them.answer() == {"id": "7", "command": "wait", "ok": True, "text": "waited"}
    assert them.commands.refused == 0


def test_what_cannot_be_done_is_answered_with_the_reason() -> None:
    them = Obedient()
    them.ask({"id": "8", "command": "fail"})
    assert them.answer() == {
        "id": "8",
        "command": "fail",
        "ok": False,
        "reason": "there is nothing to do",
        "refused_so_far": 1,
    }


@pytest.mark.parametrize(
    ("payload", "reason", "command_id"),
    [
        (b"", "a command is JSON, and this is none", ""),
        (b"\xff\xfe\x00", "a command is JSON, and this is none", ""),
        (b"[" * 60_000, "a command is JSON, and this is none", ""),
        (b'{"id": "1", "command": "wait"', "a command is JSON, and this is none", ""),
        (b'["wait"]', "a command is a JSON object such as", ""),
        (b'{"id": "1"}', "the key 'command' with its name is missing", "1"),
        (b'{"id": "1", "command": 5}', "the key 'command' with its name is missing", "1"),
        (b'{"id": 1, "command": "wait"}', "the id of a command is a string of 100", ""),
        (b'{"id": "%s"}' % (b"x" * 101), "the id of a command is a string of 100", ""),
        (b'{"command": "format"}', "no command 'format' (there are: fail, wait)", ""),
        (b'{"command": "a\\u001b[2J\\nb"}', r"no command 'a\x1b[2J\nb'", ""),
        (b'{"command": "' + b"x" * 100 + b'"}', f"no command '{'x' * 40}' (", ""),
        (b" " * (MAX_BYTES + 1), "65537 bytes are no command: 65536 at most", ""),
    ],
    ids=str,
)
def test_what_is_refused(
    payload: bytes, reason: str, command_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    them = Obedient()
    with caplog.at_level(logging.WARNING):
        them.ask(payload)
    answer = them.answer()
    assert answer["ok"] is False
    assert answer["id"] == command_id
    assert reason in answer["reason"]
    assert them.commands.refused == answer["refused_so_far"] == 1
    (line,) = caplog.messages
    assert reason in line
    assert "\n" not in line
    assert len(line) < 250


def test_only_so_many_are_obeyed_at_a_time() -> None:
    them = Obedient()
    for number in range(AT_A_TIME + 1):
        them.ask({"id": str(number), "command": "wait"})
    refused = them.answer()
    assert (refused["id"], refused["ok"]) == (str(AT_A_TIME), False)
    assert "are being obeyed already" in refused["reason"]
    them.gate.set()
    assert {them.answer()["id"] for _ in range(AT_A_TIME)} == {str(n) for n in range(AT_A_TIME)}
    them.ask({"command": "wait"})
    assert them.answer() == {"id": "", "command": "wait", "ok": True, "text": "waited"}


def test_reading_one() -> None:
    assert read(b'{"id": "x", "command": "drain", "more": 1}') == Command("drain", "x")
    with pytest.raises(BadCommand) as raised:
        read(b'{"id": "x"}')
    assert raised.value.id == "x"
