"""Topics: a node's name is one level of them, whatever it holds."""

from __future__ import annotations

import pytest

from fedbed.telemetry.topics import SAMPLES, everybody, topic


def test_topics() -> None:
    assert topic("pi-1", SAMPLES) == "fedbed/1/nodes/pi-1/samples"
    assert everybody(SAMPLES) == "fedbed/1/nodes/+/samples"


@pytest.mark.parametrize(
    ("node", "kind"), [("", SAMPLES), ("a/b", SAMPLES), ("+", SAMPLES), ("a", "x")]
)
def test_what_makes_no_topic(node: str, kind: str) -> None:
    with pytest.raises(ValueError, match="make no topic"):
        topic(node, kind)
