from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fedbed.cli.progress import display
from tests.fedbed.cli import pictures
from tests.parts import need

TMUX = shutil.which("tmux")


def lines_of(*shown: tuple[dict[str, Any], dict[str, Any]]) -> list[str]:
    stream = io.StringIO()
    with display(stream=stream) as progress:
        for run, picture in shown:
            progress.show(run, picture)
    return stream.getvalue().splitlines()


def test_lines_tell_each_thing_once_and_in_order() -> None:
    first = pictures.run(history=[], phase="starting")
    last = pictures.run(
        phase="finished",
        state="finished",
        twin=[pictures.row(1, 0.97)],
    )
    end = {"at": 110.0, "run": "r1", "text": "run r1 finished"}
    begun = pictures.picture()
    ended = pictures.picture(events=[*begun["events"], end])
    now = pictures.run()
    shown = lines_of((first, begun), (first, begun), (now, begun), (now, begun), (last, ended))
    assert shown == [
        "run r1 begins with 2 nodes",
        "starting",
        "round 1 of 10, accuracy 90.00 %, 1.5 s",
        "round 2 of 10, accuracy 95.00 %, 1.5 s",
        "centralised twin, round 1 of 10, accuracy 97.00 %, 1.5 s",
        "run r1 finished",
    ]


def test_lines_have_no_escape_codes_and_tell_of_missing_updates() -> None:
    short = pictures.row(1, 0.9) | {"participants": [0, 1, 2]}
    text = "\n".join(lines_of((pictures.run(history=[short]), pictures.picture())))
    assert "\x1b" not in text
    assert "3 of 4 nodes" in text


def test_a_queued_run_says_why_it_waits_and_not_every_second() -> None:
    waits: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (pictures.run(state="queued", phase="queued", history=[], wait=wait), {})
        for wait in ("needs 3 nodes; gives up in 9 s", "needs 3 nodes; gives up in 8 s")
    ]
    assert lines_of(*waits) == ["queued", "waiting: needs 3 nodes; gives up in 9 s"]


def test_plain_is_obeyed_on_any_stream(capsys: pytest.CaptureFixture[str]) -> None:
    with display(plain=True) as progress:
        progress.note("a line")
    assert capsys.readouterr().out == "a line\n"


_SCRIPT = """
import json, sys, time
from fedbed.cli.progress import display
run, picture = json.load(open(sys.argv[1]))
print("before")
with display() as progress:
    for step in range(40):
        run["elapsed_s"] = float(step)
        picture["nodes"] = picture["nodes"][: 3 if step % 2 else 2]
        progress.show(run, picture)
        time.sleep(0.1)
print("after")
time.sleep(60)
"""


@pytest.mark.e2e
def test_a_terminal_shows_one_frame_whatever_its_size(tmp_path: Path) -> None:
    need(TMUX is not None, "tmux isn't installed")
    (tmp_path / "script.py").write_text(_SCRIPT)
    (tmp_path / "picture.json").write_text(json.dumps([pictures.run(), pictures.picture()]))

    def tmux(*arguments: str) -> str:
        argv = [str(TMUX), "-S", str(tmp_path / "socket"), *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10).stdout

    def wait_for(text: str) -> str:
        limit = time.monotonic() + 20
        while text not in (seen := tmux("capture-pane", "-p")):
            assert time.monotonic() < limit, seen
            time.sleep(0.1)
        return seen

    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "picture.json")]
    tmux("-u", "new-session", "-d", "-x", "80", "-y", "24", "env", "PYTHONUTF8=1", *command)
    try:
        seen = wait_for("demo · mnist")
        assert seen.splitlines()[0] == "before"
        for columns, lines in ((50, 20), (110, 14), (80, 24)):
            tmux("resize-window", "-x", str(columns), "-y", str(lines))
            time.sleep(0.5)
            seen = tmux("capture-pane", "-p")
            assert seen.count("demo · mnist") == 1, seen
            assert seen.count("round 3 of 10") == 1, seen
        tmux("send-keys", "x", "Enter", "Enter")
        seen = wait_for("after")
        assert seen.count("demo · mnist") == 1, seen
        assert "x" not in seen.split()
        assert seen.rstrip().endswith("after")
        assert "about 8 s left" in seen
    finally:
        tmux("kill-server")
