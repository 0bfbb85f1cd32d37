"""Real coordinators and agents for the end-to-end tests; each test must leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fedbed.client import Client
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import nothing_left


@pytest.fixture
def testbed() -> Iterator[LocalTestbed]:
    """A coordinator and two agents, each a process of its own."""
    with nothing_left(), LocalTestbed(nodes=2) as running:
        yield running


@pytest.fixture
def client(testbed: LocalTestbed) -> Iterator[Client]:
    """A client of the testbed's coordinator."""
    with Client(testbed.url) as connected:
        yield connected


@pytest.fixture(scope="module")
def shared_client() -> Iterator[Client]:
    """A client of a coordinator with four agents that all tests of a module share."""
    with nothing_left(), LocalTestbed(nodes=4) as running, Client(running.url) as connected:
        yield connected
