from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.actions import Actions
from edge_agent.activity import Activity
from edge_agent.blobs import BlobCache
from edge_agent.config import AgentConfig
from edge_agent.executor import Executor
from edge_agent.led import Led
from edge_agent.spool import Spool
from fedbed.errors import CoordinatorAway, FedbedError, Refused
from tests.broker import until
from tests.edge_agent import work
from tests.edge_agent.peer import Peer, refusal

REST = "/api/v1/nodes/n-1/rest"


class Asked:
    """Actions with what they act on."""

    def __init__(self, config: AgentConfig) -> None:
        spool = Spool(config.state_dir / "spool")
        spool.open()
        blobs = BlobCache(config.state_dir / "blobs", config.blob_cache_bytes)
        blobs.open()
        self.activity = Activity()
        self.executor = Executor(config, spool, blobs, self.activity)
        self.executor.start()
        self.executor.joined("token")
        self.events: list[str] = []
        self.led = Led([config.state_dir / "led"])
        self.actions = Actions(config, self.executor, self.activity, self.led, self.events.append)


@pytest.fixture
def asked(config: AgentConfig) -> Iterator[Asked]:
    made = Asked(config)
    yield made
    made.led.stop()
    made.executor.stop()


def test_the_commands_are_those_that_are_documented(asked: Asked) -> None:
    page = (Path(__file__).parents[2] / "docs" / "mqtt.md").read_text()
    for name in asked.actions.table():
        assert f"| `{name}` |" in page


def test_drain_and_resume_are_the_coordinators_to_grant(asked: Asked, peer: Peer) -> None:
    with pytest.raises(FedbedError, match="has not joined"):
        asked.actions.drain()
    asked.actions.joined("n-1", "token-1")
    assert asked.actions.drain() == "it finishes what it has, and gets no more"
    assert asked.activity.doing.state == "draining"
    assert asked.actions.resume() == "it takes work again"
    assert asked.activity.doing.state == "idle"
    wishes = peer.requests("POST", REST)
    assert [wish.path for wish in wishes] == [f"{REST}?resting=true", f"{REST}?resting=false"]
    assert wishes[0].headers["Authorization"] == "Bearer token-1"
    assert asked.events == ["pi-1 is drained, by a command", "pi-1 takes work again, by a command"]


def test_what_the_coordinator_refuses_is_not_done(asked: Asked, peer: Peer) -> None:
    asked.actions.joined("n-1", "token-1")
    peer.tell(instead={f"POST {REST}": [refusal(403, "Refused", "only an operator can")]})
    with pytest.raises(Refused, match="only an operator can"):
        asked.actions.resume()
    peer.stop()
    with pytest.raises(CoordinatorAway, match="no answer from the coordinator"):
        asked.actions.drain()
    assert asked.events == []


def test_a_node_without_a_light_says_so(asked: Asked) -> None:
    assert "no LED that it may switch" in asked.actions.identify()
    (asked.led._candidates[0]).mkdir()
    (asked.led._candidates[0] / "trigger").write_text("[none] timer")
    assert asked.actions.identify() == "its LED blinks for 30 s"


def test_a_worker_that_is_restarted_says_why_its_work_failed(asked: Asked, peer: Peer) -> None:
    with pytest.raises(FedbedError, match="no worker runs"):
        asked.actions.restart_worker()
    item = work.long_item(peer.blob)
    asked.executor.accept(item)
    until(lambda: asked.executor.progress().get(item.id), "training")
    assert asked.activity.doing.state == "training"
    assert (asked.activity.doing.run, asked.activity.doing.round) == ("r-1", 1)
    asked.actions.restart_worker()
    peer.wait(lambda: item.id in peer.results)
    assert b"the worker was restarted by a command" in peer.results[item.id]
    assert asked.events == ["pi-1 restarts its worker, by a command"]
