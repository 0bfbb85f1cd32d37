"""All routes of a coordinator that runs, asked by all kinds of callers: no fault, no hang.

Requests come from the API's own description, right and wrong ones; names and addresses in them are
often those of what there is. Another kind of caller is another entry of `callers`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

from fedbed.testbed import LocalTestbed
from tests.fuzz.depth import DEEP, examples

SLOWEST_S = 15.0
PARSER = b"Invalid HTTP request received."
"""What the server says of what isn't HTTP."""
KEY = "0" * 64
APP = b"an app"


@dataclass
class Target:
    """A coordinator with a node, a blob and a run, and what it has answered so far."""

    testbed: LocalTestbed
    people: dict[str, str] = field(default_factory=dict)
    """Role -> token."""
    node: dict[str, str] = field(default_factory=dict)
    sha256: str = ""
    run: str = ""
    statuses: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0

    @property
    def url(self) -> str:
        return self.testbed.url

    def furnish(self) -> None:
        """Make what requests may name; again, after one of them has removed it."""
        with self.testbed.client() as admin:
            there = {person["name"] for person in admin.people()}
            for role in ("viewer", "operator", "admin"):
                if f"an-{role}" not in there:
                    made = admin.give_access(name=f"an-{role}", role=role)
                    self.people[role] = made["token"]
            token = admin.enrol()["token"]
            self.sha256 = hashlib.sha256(APP).hexdigest()
            self.run = admin.submit_app(APP, name="x", serverapp="a", clientapp="b")
        with httpx.Client(base_url=f"{self.url}/api/v1") as client:
            headers = {"Authorization": f"Bearer {token}"}
            body = {"name": "pi-1", "key": KEY}
            self.node = client.post("/nodes", json=body, headers=headers).raise_for_status().json()

    def callers(self) -> dict[str, dict[str, str]]:
        """Headers of each kind of caller."""
        return {
            "nobody": {},
            "a node": {"Authorization": f"Bearer {self.node['token']}"},
            "garbage": {"Authorization": "Bearer \xff\x7f not a token", "Cookie": "=;=;\xff"},
            "another scheme": {"Authorization": "Basic Og=="},
            **{role: {"Authorization": f"Bearer {token}"} for role, token in self.people.items()},
        }


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("api")
    with LocalTestbed(0, folder, enrolled=True) as testbed:
        found = Target(testbed)
        found.furnish()
        yield found
        testbed.check()
        log = (folder / "coordinator.log").read_text(errors="replace")
    assert "Traceback" not in log, log[-3000:]
    total, statuses = sum(found.statuses.values()), sorted(found.statuses.items())
    print(f"\n{total} requests, slowest {found.slowest_s:.2f} s, by status: {statuses}")


def operations(target: Target) -> list[Any]:
    """Return the operations that the coordinator describes."""
    schema = schemathesis.openapi.from_url(f"{target.url}/openapi.json")
    described: Any = schema.get_all_operations()
    return [found.ok() for found in described]


def prepared(case: Any, target: Target, known: bool) -> Any:
    """Name what there is, if `known`; and don't wait for what won't come."""
    if known:
        there = {"node_id": target.node["node_id"], "name": "pi-1", "sha256": target.sha256}
        there["run_id"] = target.run
        for name in case.path_parameters or {}:
            case.path_parameters[name] = there.get(name, case.path_parameters[name])
    if case.path.endswith("/work") and isinstance(case.body, dict):
        case.body = {**case.body, "wait_s": 0.01}
    if case.path.endswith("/live"):
        case.query = {**(case.query or {}), "wait": "0.01"}
    return case


def check(response: Any, target: Target) -> None:
    """The answer is none of a fault, and has our form."""
    target.statuses[response.status_code] += 1
    target.slowest_s = max(target.slowest_s, response.elapsed)
    assert response.status_code < 500, response.content[:500]
    assert response.elapsed < SLOWEST_S
    if response.status_code >= 400 and response.content != PARSER:
        said = response.json()
        assert set(said) == {"code", "detail"}
        assert said["detail"].isprintable()
        assert "Traceback" not in said["detail"]


@pytest.mark.timeout(3600 if DEEP else 120)
def test_no_request_is_a_fault(target: Target) -> None:
    found = operations(target)
    assert len(found) >= 14
    with requests.Session() as session:
        for operation in found:
            _try(operation, target, session)
            print(f"{operation.label}: {sum(target.statuses.values())} requests so far")
    print(f"\n{len(found)} operations, {len(target.callers())} kinds of callers")


def _try(operation: Any, target: Target, session: requests.Session) -> None:
    cases = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    @settings(examples(quick=6, deep=200), suppress_health_check=list(HealthCheck))
    @given(cases, st.booleans(), st.sampled_from(sorted(target.callers())))
    def ask(case: Any, known: bool, caller: str) -> None:
        headers = target.callers()[caller]
        case = prepared(case, target, known)
        response = case.call(
            base_url=target.url, headers=headers, session=session, timeout=SLOWEST_S + 5
        )
        check(response, target)
        if case.path.endswith(("/remove", "/stop", "/nodes/{node_id}")):
            target.furnish()

    ask()


def test_the_log_holds_no_token(target: Target, tmp_path_factory: pytest.TempPathFactory) -> None:
    token = target.node["token"]
    logs = list(Path(tmp_path_factory.getbasetemp()).rglob("coordinator.log"))
    assert logs
    assert all(token not in log.read_text(errors="replace") for log in logs)
