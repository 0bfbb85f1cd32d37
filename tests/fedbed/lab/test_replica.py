from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent import config
from fedbed.lab import replica


@pytest.mark.parametrize(
    ("known_as", "name"),
    [
        ("fedbed-agent-2.fedbed_fleet", "agent-2"),
        ("my-lab-agent-10.my-lab_fleet", "agent-10"),
        ("fedbed_agent_3.fedbed_fleet", "agent-3"),
        ("fedbed-agent-1", "agent-1"),
        ("", "pi-01"),
        ("fedbed-coordinator-1.fedbed_fleet", "pi-01"),
        ("reagent-2.fedbed_fleet", "pi-01"),
    ],
)
def test_a_node_has_its_replicas_number(known_as: str, name: str) -> None:
    assert replica.name(known_as, "pi-01") == name


def test_replicas_share_no_state_folder_and_the_agent_takes_the_arguments(tmp_path: Path) -> None:
    found = [
        config.parse(replica.command(node, tmp_path, threads="2", broker_ca=""))
        for node in ("agent-1", "agent-2")
    ]
    assert [c.name for c in found] == ["agent-1", "agent-2"]
    assert len({c.state_dir for c in found}) == 2
    assert all(c.state_dir.parent == tmp_path and c.threads == 2 for c in found)


def test_a_broker_is_trusted_by_the_labs_ca() -> None:
    command = replica.command("agent-1", Path("/s"), "1", broker_ca="/run/trust/ca.pem")
    assert command[-2:] == ["--broker-ca", "/run/trust/ca.pem"]
