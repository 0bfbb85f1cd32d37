from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.config import AgentConfig
from tests.edge_agent.peer import Peer


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    try:
        yield peer
    finally:
        for event in peer.hold.values():
            event.set()
        if not peer.closed:
            peer.stop()


@pytest.fixture
def config(peer: Peer, tmp_path: Path) -> AgentConfig:
    state = tmp_path / "state"
    state.mkdir()
    return AgentConfig(coordinator=peer.url, name="pi-1", state_dir=state)
