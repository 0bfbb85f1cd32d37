"""Real runs over TLS, with boards whose clocks are off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedbed.client import Client
from fedbed.errors import CoordinatorAway, Untrusted
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import nothing_left, result_of, state_of, submit, wait_for
from tests.parts import shifted

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("tls", "clocks"),
    [(True, {"ahead": "+1y", "behind": "-1y"}), (False, {"ahead": "+1y", "right": ""})],
    ids=["tls", "plain"],
)
def test_boards_whose_clocks_are_off_take_part(
    tls: bool, clocks: dict[str, str], tmp_path: Path
) -> None:
    off = {name: shifted(offset) if offset else {} for name, offset in clocks.items()}
    with nothing_left(), LocalTestbed(nodes=0, tls=tls) as testbed:
        for name, env in off.items():
            testbed.start_node(name, env=env)

        def all_ready(picture: dict[str, Any]) -> bool:
            testbed.check()
            return all(state_of(picture, name) == "ready" for name in off)

        with Client(testbed.url, ca=testbed.ca) as client:
            wait_for(client, all_ready, "both nodes ready")
            result = result_of(client, submit(client), tmp_path)
        assert result["state"] == "finished"
        assert result["rounds"] == 3
        assert testbed.url.startswith("https://" if tls else "http://")
        if tls:
            _strangers_are_told(testbed)


def _strangers_are_told(testbed: LocalTestbed) -> None:
    with Client(testbed.url) as stranger, pytest.raises(Untrusted, match="with --ca"):
        stranger.health()
    plain = testbed.url.replace("https:", "http:")
    with Client(plain) as blunt, pytest.raises(CoordinatorAway, match=f"use {testbed.url}"):
        blunt.health()
