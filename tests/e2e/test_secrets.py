"""Keys and tokens stay where they belong: in no log, error, event, process list or database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from coordinator.fleet.fleet import Fleet
from edge_agent.identity import Identity
from edge_agent.link import Link
from fedbed.client import Client
from fedbed.link.messages import JoinReply, JoinRequest
from fedbed.testbed import LocalTestbed

pytestmark = pytest.mark.e2e
OUR_KEY = "5ec7e7" + "0" * 58


@dataclass
class Lab:
    """A coordinator and a real agent, a node of ours whose token we know, and what was answered."""

    testbed: LocalTestbed
    token: str
    key: str
    answers: list[str] = field(default_factory=list)

    @property
    def secrets(self) -> list[str]:
        return [self.token, self.key, OUR_KEY]

    def ask(self, method: str, path: str, **more: Any) -> None:
        answer = httpx.request(method, f"{self.testbed.url}/api/v1{path}", **more)
        self.answers.append(f"{answer.status_code} {answer.headers} {answer.text}")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with LocalTestbed(1, tmp_path_factory.mktemp("lab")) as testbed:
        joined = httpx.post(
            f"{testbed.url}/api/v1/nodes", json={"name": "ours", "key": OUR_KEY}
        ).raise_for_status()
        key = (testbed.state_dir / "node-1" / "node.key").read_text().strip()
        made = Lab(testbed, joined.json()["token"], key)
        _provoke(made, joined.json()["node_id"])
        yield made


def _provoke(lab: Lab, node_id: str) -> None:
    """Go wrong in every way that has to do with a secret, and in some others."""
    auth = {"Authorization": f"Bearer {lab.token}"}
    lab.ask("POST", "/nodes", json={"name": "node-1", "key": OUR_KEY})  # another's name
    lab.ask("POST", "/nodes", json={"name": "a name that won't do", "key": OUR_KEY})
    lab.ask("POST", "/nodes", json={"name": "x", "key": OUR_KEY.upper() + "no hex"})
    lab.ask("POST", "/nodes", json={"name": 3, "key": [OUR_KEY]})
    lab.ask("POST", "/nodes", content=json.dumps({"key": OUR_KEY})[:-1])
    lab.ask("POST", "/nodes/n-other/work", json={}, headers=auth)
    lab.ask("POST", f"/nodes/{node_id}/work", json={"wait_s": "soon"}, headers=auth)
    lab.ask("PUT", "/work/none/result", content=b"x", headers=auth)
    lab.ask("GET", f"/blobs/{'0' * 64}", headers={"Authorization": f"Basic {lab.token}"})
    lab.ask("GET", f"/nothing?token={lab.token[:10]}")
    lab.ask("POST", f"/nodes/{node_id}/work", json={"wait_s": 0}, headers=auth)
    lab.ask("POST", "/nodes/ours/remove")
    lab.ask("POST", f"/nodes/{node_id}/work", json={"wait_s": 0}, headers=auth)  # void by now


def test_no_answer_repeats_a_secret(lab: Lab) -> None:
    for answer in lab.answers:
        assert not [secret for secret in lab.secrets if secret in answer], answer
    statuses = {answer.split(" ")[0] for answer in lab.answers}
    assert {"409", "404", "422"} <= statuses
    assert "500" not in statuses


def test_what_is_shown_to_everybody_has_none(lab: Lab) -> None:
    with Client(lab.testbed.url) as client:
        shown = json.dumps([client.live(), client.nodes(), client.runs()])
    assert "node-1" in shown
    assert not [secret for secret in lab.secrets if secret in shown]


def test_the_process_list_shows_none(lab: Lab) -> None:
    looked_at = 0
    for process in lab.testbed.processes:
        family = psutil.Process(process.pid)
        for one in [family, *family.children(recursive=True)]:
            for name in ("cmdline", "environ"):
                text = Path(f"/proc/{one.pid}/{name}").read_bytes().decode(errors="replace")
                assert not [secret for secret in lab.secrets if secret in text]
                looked_at += 1
    assert looked_at >= 4


def test_logs_and_database_hold_none(lab: Lab) -> None:
    files = [path for path in lab.testbed.state_dir.rglob("*") if path.is_file()]
    logs = [path for path in files if path.suffix == ".log"]
    assert len(logs) == 2
    assert all(path.stat().st_size for path in logs)
    keys = [path for path in files if path.name == "node.key"]
    for path in set(files) - set(keys):
        data = path.read_bytes()
        assert not [secret for secret in lab.secrets if secret.encode() in data], path
    assert [oct(path.stat().st_mode & 0o777) for path in keys] == ["0o600"]


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    request = JoinRequest("x", OUR_KEY)
    member, token = Fleet().join(request, 0.0)
    identity = Identity(tmp_path)
    identity.acquire()
    link = Link("http://127.0.0.1:1")
    link.token = token
    shown = repr([request, JoinReply("n", "x", token, 1.0), member, identity, link, vars(member)])
    identity.release()
    for secret in (OUR_KEY, token, identity.key):
        assert secret not in shown
    assert member.token_sha256 not in repr(member)
