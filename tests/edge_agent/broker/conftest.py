from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Broker, broker


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that no test stops."""
    with broker(tmp_path_factory.mktemp("broker")) as made:
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Broker]:
    """A broker that the test may stop."""
    with broker(tmp_path / "broker") as made:
        yield made
