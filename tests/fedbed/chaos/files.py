"""A scenario to change in tests."""

from __future__ import annotations

from fedbed.chaos.scenario import Scenario, loads

HEAD = """
name: some-faults
experiment:
  name: small
  task: mnist_softmax
  data:
    dataset: synthetic-digits
  federation:
    nodes: 3
faults:
"""


def scenario(*faults: str, more: str = "") -> Scenario:
    """A scenario of these faults, each in YAML's flow style."""
    return loads(more + HEAD + "".join(f"  - {fault}\n" for fault in faults), "some.yaml")
