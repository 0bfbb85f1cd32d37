from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fedbed.cli import connection
from fedbed.cli.main import main
from fedbed.client import Client

MADE = {"id": "e-1", "token": "fedbed-enrol-secret", "expires_at": 2e9}
ENROLMENT = {
    "id": "e-1", "state": "used up", "names": ["pi-1"], "uses": 1, "used_by": ["pi-1"],
    "expires_at": 4e9, "made_by": "ann", "label": "shelf 3",
}  # fmt: skip
PERSON = {"name": "ann", "role": "viewer", "expires_at": None, "made_by": "admin"}


class Asked:
    """What the coordinator was asked."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.bodies: list[object] = []
        self.authorization = ""

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1/")
        self.lines.append(f"{request.method} {path}")
        self.authorization = request.headers.get("authorization", "")
        if request.content:
            self.bodies.append(json.loads(request.content))
        if request.method == "POST" and path == "access":
            return httpx.Response(200, json={**PERSON, "token": "fedbed-access-secret"})
        answers: dict[str, object] = {"GET enrolments": [ENROLMENT], "GET access": [PERSON]}
        return httpx.Response(200, json=answers.get(self.lines[-1], MADE))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    asked = Asked()

    def client(url: str, token: str = "", **_more: object) -> Client:
        return Client(url, httpx.MockTransport(asked.answer), token=token)

    monkeypatch.setattr(connection, "Client", client)
    yield asked


def test_a_token_is_shown_once(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["enrol", "pi-1", "pi-2", "--expires", "2h", "--label", "shelf 3"]) == 0
    wanted = {"uses": 2, "expires_s": 7200.0, "names": ["pi-1", "pi-2"], "label": "shelf 3"}
    assert asked.bodies == [wanted]
    shown = capsys.readouterr().out
    assert "e-1 lets pi-1, pi-2 in, within 2 h" in shown
    assert "fedbed-enrol-secret" in shown


def test_a_token_goes_into_a_file_for_its_owner(
    asked: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, command in enumerate((["enrol"], ["access", "add", "ann", "--role", "operator"])):
        path = tmp_path / f"{number}.token"
        assert main([*command, "--output", str(path)]) == 0
        assert path.read_text().strip().endswith("-secret")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "secret" not in capsys.readouterr().out
    assert asked.bodies[1] == {"name": "ann", "role": "operator", "expires_s": None}


def test_no_file_is_overwritten(
    asked: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pi.token").write_text("another")
    assert main(["enrol", "--output", str(tmp_path / "pi.token")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert asked.lines == []


def test_a_token_in_the_environment_is_looked_at_too(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEDBED_TOKEN", "one\ntwo")
    assert main(["access"]) == 2
    assert "$FEDBED_TOKEN holds no token" in capsys.readouterr().err


def test_lists_are_for_people_and_programs(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["enrol", "--list"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("e-1", "used up", "1 of 1: pi-1", "shelf 3"))
    assert main(["access"]) == 0
    assert "viewer" in capsys.readouterr().out
    assert main(["access", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [PERSON]


def test_tokens_are_revoked(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["enrol", "--revoke", "e-1"]) == 0
    assert main(["access", "remove", "ann"]) == 0
    assert asked.lines == ["DELETE enrolments/e-1", "DELETE access/ann"]
    assert "ann has no access any more" in capsys.readouterr().out


def test_a_commands_token_comes_from_a_file_or_the_environment(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    path.write_text("from-file\n")
    assert main(["access", "--token-file", str(path)]) == 0
    assert asked.authorization == "Bearer from-file"
    monkeypatch.setenv("FEDBED_TOKEN", "from-environment")
    assert main(["access"]) == 0
    assert asked.authorization == "Bearer from-environment"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["enrol", "--list", "--revoke", "e-1"], "either --list or --revoke"),
        (["enrol", "pi-1", "--list"], "names go with a new token"),
        (["enrol", "--expires", "soon"], "--expires: "),
        (["enrol", "--expires", "0s"], "is no time to come"),
        (["access", "add"], "who? fedbed access add NAME"),
        (["access", "list", "ann"], "one argument too many"),
        (["access", "add", "ann", "--role", "admn"], "did you mean 'admin'?"),
        (["access", "--token-file", "/nosuch"], "--token-file: '/nosuch' can't be read"),
        (["access", "--token-file", "/dev/null"], "holds no token"),
    ],
)
def test_wrong_words_are_explained(
    arguments: list[str], words: str, asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err
    assert asked.lines == []
