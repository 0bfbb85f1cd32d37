"""The database of the tests does what the tests rely on."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.influx import BUCKET, ORG, TOKEN, influx


def test_it_writes_answers_refuses_and_remembers(tmp_path: Path) -> None:
    with influx(tmp_path) as database:
        at = f"{database.url}/api/v2/write?org={ORG}&bucket={BUCKET}&precision=ns"
        body = b"fedbed_cpu,node=a usage=1.5 1700000000000000000"
        known = {"Authorization": f"Token {TOKEN}"}
        with urllib.request.urlopen(urllib.request.Request(at, body, known), timeout=10) as reply:
            assert reply.status == 204
        wanted = [{"time": 1_700_000_000_000_000_000, "node": "a", "usage": 1.5}]
        assert database.query("SELECT * FROM fedbed_cpu") == wanted
        for address, headers, code in (
            (at, {"Authorization": "Token another"}, 401),
            (at.replace(f"bucket={BUCKET}", "bucket=another"), known, 404),
        ):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=10)
            assert caught.value.code == code
        with pytest.raises(RuntimeError, match="error parsing query"):
            database.query("SELECT")
    with database.running():
        assert database.query("SELECT * FROM fedbed_cpu") == wanted
