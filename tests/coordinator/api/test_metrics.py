"""GET /metrics: what is answered. Who may ask is tested with all routes."""

from __future__ import annotations

from tests.coordinator.serving import Served
from tests.coordinator.telemetry.test_metrics import samples


async def test_it_counts_what_there_is(served: Served) -> None:
    node = await served.join("pi-1")
    await node.poll(wait_s=0.0)
    answer = await served.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = samples(answer.text)
    assert found["fedbed_nodes", (("state", "ready"),)] == 1
    assert found["fedbed_nodes", (("state", "offline"),)] == 0
    assert found["fedbed_runs", (("state", "running"),)] == 0
    assert found["fedbed_node_offences", (("node", "pi-1"),)] == 0
    assert found["fedbed_queue", ()] == 0
    again = samples((await served.client.get("/metrics")).text)
    assert again.keys() == found.keys()
    described = (await served.client.get("/openapi.json")).json()["paths"]["/metrics"]["get"]
    assert list(described["responses"]["200"]["content"]) == ["text/plain"]
