"""The API's page."""

from __future__ import annotations

import re
from typing import Any

from coordinator.api import reference
from tests.coordinator.serving import Served


async def test_the_page_needs_nothing_else_and_names_every_address(served: Served) -> None:
    answer = await served.client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    page = answer.text
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="(?!#|data:|\./|openapi\.json)[^"]*"', page) == []
    openapi = (await served.client.get("/openapi.json")).json()
    for path in openapi["paths"]:
        assert f"<code>{path}</code>" in page
    for name in ("RunSpec", "PollRequest", "NodeCost", "NodesMissing", "Interrupted"):
        assert f">{name}<" in page
    assert "HTTPValidationError" not in page


def test_operations_say_what_they_take_and_give() -> None:
    schema = {"type": "integer", "default": 50}
    get = {
        "tags": ["runs"],
        "summary": "List Runs",
        "description": "The newest <runs>.",
        "parameters": [{"name": "limit", "in": "query", "schema": schema}],
        "responses": {
            "200": {"content": {"application/json": {"schema": {"type": "array", "items": {}}}}}
        },
    }
    put: dict[str, Any] = {
        "requestBody": {"content": {"application/octet-stream": {"schema": {}}}},
        "responses": {},
    }
    openapi = {
        "info": {"title": "x", "version": "1", "description": ""},
        "paths": {"/runs": {"get": get, "put": put}},
    }
    found = reference.operations(openapi)
    (listing,) = found["runs"]
    assert listing.fields == [reference.Field("limit", "integer", "50", "query")]
    assert (listing.method, listing.gives) == ("GET", "list of anything")
    assert found["other"][0].takes == "application/octet-stream"
    assert "The newest &lt;runs&gt;." in reference.render(openapi)


def test_types_in_words() -> None:
    assert reference.kind({"anyOf": [{"$ref": "#/x/BlobRef"}, {"type": "null"}]}) == (
        "BlobRef or null"
    )
    assert reference.kind({"type": "string", "enum": ["exact", "int8"]}) == "exact | int8"
    assert reference.kind({"type": "object", "additionalProperties": {"type": "number"}}) == (
        "object of number"
    )
    assert reference.kind({"type": "object", "additionalProperties": True}) == "object"
