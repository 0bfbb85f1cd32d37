"""The pipe, from the coordinator's side of a real process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from coordinator.runner.channel import ORPHANED

LIMIT_S = 30
PREAMBLE = """
import sys, time
from coordinator.runner.channel import Channel, RunStopped
channel = Channel()
order = channel.start()
"""


@contextmanager
def child(code: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        tell(process, op="start", run="r")
        yield process
    finally:
        process.kill()
        process.communicate()


def tell(process: subprocess.Popen[bytes], **message: Any) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    message: dict[str, Any] = json.loads(process.stdout.readline())
    return message


def test_without_a_coordinator_the_process_ends_at_once() -> None:
    with child("channel.tell('here'); time.sleep(600)") as process:
        assert hear(process) == {"op": "here"}
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(LIMIT_S) == ORPHANED == 3
        process.stdin = None


def test_prints_do_not_disturb_the_pipe() -> None:
    code = (
        "import os; print('hello'); os.write(1, b'raw'); os.system('echo shell')\n"
        "channel.tell('here', order=order['run'])"
    )
    with child(code) as process:
        assert hear(process) == {"op": "here", "order": "r"}
        _, err = process.communicate(timeout=LIMIT_S)
        for word in (b"hello", b"raw", b"shell"):
            assert word in err


def test_questions_and_exchanges_are_sorted() -> None:
    code = """
channel.open_window('w')
answer = channel.ask('nodes')
channel.tell('got', answer=answer['n'], first=channel.receive('w')['m'],
             second=channel.receive_now('w'), third=channel.receive_now('w'))
"""
    with child(code) as process:
        assert hear(process) == {"op": "nodes"}
        tell(process, event="reply", window="w", m=1)
        tell(process, event="reply", window="unknown", m=9)
        tell(process, event="reply", window="w", m=2)
        tell(process, event="nodes", n=5)
        got = hear(process)
        assert (got["answer"], got["first"]) == (5, 1)
        assert got["second"]["m"] == 2
        assert got["third"] is None


def test_windows_may_share_an_inbox() -> None:
    code = """
import queue
inbox = queue.Queue()
for window in 'ab':
    channel.open_window(window, inbox)
channel.open_window('alone')
channel.tell('ready')
heard = [channel.receive_any(inbox)['window'] for _ in range(3)]
channel.close_window('a')
channel.tell('heard', windows=heard, alone=channel.receive('alone')['m'])
try:
    channel.receive_any(inbox)
except RunStopped:
    channel.tell('stopped')
"""
    with child(code) as process:
        assert hear(process) == {"op": "ready"}
        for window in ("b", "alone", "a", "b"):
            tell(process, event="reply", window=window, m=4)
        assert hear(process) == {"op": "heard", "windows": ["b", "a", "b"], "alone": 4}
        tell(process, event="stop")
        assert hear(process) == {"op": "stopped"}


def test_a_stop_reaches_every_wait() -> None:
    code = """
channel.open_window('w')
channel.tell('waiting')
def stopped(wait):
    try:
        wait()
    except RunStopped:
        return True
    return False
found = [stopped(lambda: channel.receive('w')), stopped(channel.check_stopped)]
found.append(stopped(lambda: channel.ask('nodes')))
found.append(stopped(lambda: channel.ask('nodes')))
channel.open_window('younger')
found.append(stopped(lambda: channel.receive('younger')))
found.append(stopped(lambda: channel.receive_now('younger')))
channel.tell('found', found=found)
"""
    with child(code) as process:
        assert hear(process) == {"op": "waiting"}
        tell(process, event="stop")
        said = [hear(process), hear(process), hear(process)]
        assert said[-1] == {"op": "found", "found": [True] * 6}
