from __future__ import annotations

import time
from typing import Any

import pytest

from fedbed.cli.follow import error_of, follow
from fedbed.errors import CoordinatorAway, NodesMissing, RunFailed
from tests.fedbed.cli import pictures


class Script:
    """A client whose `live` gives what was written down; an exception is raised."""

    url = "http://127.0.0.1:1"

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[int] = []

    def live(self, after: int, wait_s: float) -> dict[str, Any]:
        self.asked.append(after)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, dict)
        return answer

    def run(self, run_id: str) -> dict[str, Any]:
        return pictures.run(state="finished", id=run_id)


class Seen:
    def __init__(self) -> None:
        self.pictures: list[dict[str, Any]] = []

    def show(self, run: Any, picture: Any) -> None:
        self.pictures.append(dict(picture))

    def note(self, text: str) -> None:
        raise AssertionError(text)


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _s: None)


def test_it_ends_with_the_run() -> None:
    going = pictures.picture(runs=[pictures.run()], version=7)
    ended = pictures.picture(runs=[pictures.run(state="failed")], version=9)
    client, seen = Script(going, ended), Seen()
    assert follow(client, "r1", seen)["state"] == "failed"  # type: ignore[arg-type]
    assert client.asked == [0, 7]
    assert len(seen.pictures) == 2


def test_a_run_that_left_the_picture_is_asked_for() -> None:
    client = Script(pictures.picture(runs=[]))
    assert follow(client, "r1", Seen())["state"] == "finished"  # type: ignore[arg-type]


def test_a_coordinator_that_restarts_is_waited_for() -> None:
    going = pictures.picture(runs=[pictures.run()], version=70)
    ended = pictures.picture(runs=[pictures.run(state="finished")], version=2)
    client, seen = Script(going, CoordinatorAway("gone"), ended), Seen()
    follow(client, "r1", seen)  # type: ignore[arg-type]
    assert client.asked == [0, 70, 0]
    assert "gone; asking again for 2 min" in seen.pictures[1]["away"]
    assert "away" not in seen.pictures[2]


def test_it_is_not_waited_for_in_vain() -> None:
    with pytest.raises(CoordinatorAway):
        follow(Script(CoordinatorAway("gone")), "r1", Seen(), patience_s=0)  # type: ignore[arg-type]

    def dead() -> None:
        raise RunFailed("it died")

    with pytest.raises(RunFailed, match="it died"):
        follow(Script(CoordinatorAway("gone")), "r1", Seen(), dead)  # type: ignore[arg-type]


def test_the_error_of_a_run_is_that_of_its_code() -> None:
    assert error_of(pictures.run(state="finished")) is None
    failed = error_of(pictures.run(state="failed", error_code="NodesMissing", error="needs 3"))
    assert isinstance(failed, NodesMissing)
    assert str(failed) == "run r1 failed: needs 3"
    unknown = error_of(pictures.run(state="failed", error_code="Future", error=""))
    assert isinstance(unknown, RunFailed)
    assert isinstance(error_of(pictures.run(state="stopped")), RunFailed)
