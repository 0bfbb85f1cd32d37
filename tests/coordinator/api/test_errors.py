"""What the API says no with."""

from __future__ import annotations

import pytest

from tests.coordinator.serving import Served


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "words"),
    [
        ("GET", "/api/v1/nosuch", 404, "NotFound", "there is nothing at /api/v1/nosuch"),
        ("GET", "/api/v1/runs/..%2F..%2Fetc/files", 404, "NotFound", "there is nothing at"),
        ("GET", "/api/v1/runs/nosuch", 404, "NotFound", "there is no run 'nosuch'"),
        ("DELETE", "/api/v1/runs", 405, "UsageError", "/api/v1/runs doesn't understand DELETE"),
        ("GET", "/api/v1/runs?limit=-1", 422, "UsageError", "query.limit: "),
        ("GET", "/api/v1/runs?limit=1001", 422, "UsageError", "query.limit: "),
        ("POST", "/api/v1/runs", 422, "UsageError", "body: "),
        ("POST", "/api/v1/nodes/x/work", 401, "NotAdmitted", "needs a node's credential"),
    ],
)
async def test_every_refusal_has_a_code_and_a_detail(
    served: Served, method: str, path: str, status: int, code: str, words: str
) -> None:
    answer = await served.client.request(method, path)
    assert answer.status_code == status
    said = answer.json()
    assert set(said) == {"code", "detail"}
    assert said["code"] == code
    assert words in said["detail"]


async def test_what_an_address_can_do_is_named(served: Served) -> None:
    answer = await served.client.put("/api/v1/health")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
