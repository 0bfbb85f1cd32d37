"""Requests beyond what one may make."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from coordinator.api.limits import Rates
from coordinator.api.limits.buckets import Allowance, Buckets
from coordinator.api.limits.rates import HOLDER, STRANGER, place_of
from tests.coordinator.serving import Served

FEW = Allowance(rate=10.0, burst=3.0, at_a_time=2)


def taken(buckets: Buckets, key: str, now: float, count: int) -> list[float]:
    """Make requests one after another; returns what each was told."""
    told = []
    for _ in range(count):
        told.append(buckets.take(key, now))
        if told[-1] == 0:
            buckets.give_back(key)
    return told


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    buckets = Buckets(FEW, 10)
    assert taken(buckets, "a", 0.0, 4) == [0, 0, 0, pytest.approx(0.1)]
    assert taken(buckets, "b", 0.0, 1) == [0]
    assert taken(buckets, "a", 0.1, 2) == [0, pytest.approx(0.1)]
    assert taken(buckets, "a", 99.0, 4) == [0, 0, 0, pytest.approx(0.1)]


def test_so_many_are_under_way_at_a_time() -> None:
    buckets = Buckets(FEW, 10)
    assert [buckets.take("a", 0.0) for _ in range(3)] == [0, 0, 1.0]
    buckets.give_back("a")
    assert buckets.take("a", 0.0) == 0


def test_a_refused_request_costs_nothing() -> None:
    buckets = Buckets(FEW, 10)
    taken(buckets, "a", 0.0, 50)
    assert taken(buckets, "a", 0.1, 1) == [0]


def test_the_quiet_are_forgotten() -> None:
    buckets = Buckets(FEW, 1000)
    for number in range(100):
        taken(buckets, str(number), 0.0, 1)
    assert len(buckets) == 100
    for number in range(100, 300):
        taken(buckets, str(number), 60.0 + number, 1)
    assert len(buckets) <= 2


def test_memory_is_bounded_whoever_comes() -> None:
    buckets = Buckets(FEW, 50)
    assert buckets.take("held", 0.0) == 0
    for number in range(5000):
        taken(buckets, str(number), 0.0, 1)
    assert len(buckets) <= 52
    # Who has requests under way is not forgotten: they would count for nothing.
    assert [buckets.take("held", 0.0) for _ in range(2)] == [0, 1.0]


def test_nodes_in_the_fastest_of_rounds_are_within_their_allowance() -> None:
    buckets = Buckets(HOLDER, 2000)
    for tick in range(800):  # ten seconds of 80 requests a second
        for node in range(0, 1000, 100):
            assert taken(buckets, str(node), tick / 80, 1) == [0]
    joins = Buckets(STRANGER, 10)
    assert not any(taken(joins, "10.0.0.1", 0.0, 1000))


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("127.0.0.1", None),
        ("127.8.9.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002"),
        ("2001:db8:1:2::9", "20010db800010002"),
        ("fe80::1%eth0", "fe80000000000000"),
        ("a name", "a name"),
    ],
)
def test_an_address_and_a_network_of_ipv6_are_one_place(host: str, place: str | None) -> None:
    assert place_of(host) == place


async def _ok(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("ok")(scope, receive, send)


def client_from(host: str, clock: Any = lambda: 0.0) -> httpx.AsyncClient:
    holders = {"Bearer good": "n-1"}
    limited = Rates(_ok, holders.get, clock, holder=FEW, stranger=FEW)
    transport = httpx.ASGITransport(limited, client=(host, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://x")


async def test_beyond_it_the_answer_says_when_to_come_again() -> None:
    now = [0.0]
    async with client_from("10.0.0.1", lambda: now[0]) as client:
        answers = [await client.get("/") for _ in range(4)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429]
        assert answers[3].headers["retry-after"] == "1"
        assert answers[3].json()["code"] == "TooBusy"
        assert "connection" not in answers[3].headers
        # A body that is still coming isn't worth reading.
        assert (await client.put("/")).headers["connection"] == "close"
        now[0] = 0.1
        assert (await client.get("/")).status_code == 200


async def test_credentials_count_by_holder_and_wrong_ones_for_nothing() -> None:
    async with client_from("10.0.0.1") as client:
        good = {"Authorization": "Bearer good"}
        assert [(await client.get("/", headers=good)).status_code for _ in range(4)][3] == 429
        invented = [{"Authorization": f"Bearer {number}"} for number in range(4)]
        statuses = [(await client.get("/", headers=h)).status_code for h in invented]
        assert statuses == [200, 200, 200, 429]


async def test_loopback_is_limited_by_credential_only() -> None:
    async with client_from("127.0.0.1") as client:
        assert {(await client.get("/")).status_code for _ in range(20)} == {200}
        good = {"Authorization": "Bearer good"}
        assert [(await client.get("/", headers=good)).status_code for _ in range(4)][3] == 429


async def test_a_node_of_the_coordinator_is_limited(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await served.join("pi-1")
    monkeypatch.setattr("coordinator.api.limits.buckets.Buckets.take", _busy_for(node.id))
    answer = await node.poll(0.0)
    assert (answer.status_code, answer.json()["code"]) == (429, "TooBusy")
    other = await served.join("pi-2")
    assert (await other.poll(0.0)).status_code == 200


def _busy_for(holder: str) -> Any:
    return lambda _self, key, _now: 2.5 if key == holder else 0.0
