"""Nothing that comes over HTTP is answered with a fault, takes long, or reaches another's file."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable

import pytest

from coordinator.api.limits.sizes import MAX_JOIN_BYTES, MAX_REPORT_BYTES
from tests.coordinator.api.hostile import HUGE, KEY, Answer, ask, get, post
from tests.coordinator.serving import Node, Served

JOIN = b"/api/v1/nodes"
RUNS = b"/api/v1/runs"
PLAIN = b"Invalid HTTP request received."
"""What the server's parser says of what isn't HTTP."""


def fine(answer: Answer) -> bool:
    """Whether an answer is one of ours, and no fault."""
    if answer.status == 400 and answer.body == PLAIN:
        return True
    said = json.loads(answer.body)
    return answer.status < 500 and (answer.status < 400 or set(said) == {"code", "detail"})


def app_spec(sha256: str, more: bytes) -> bytes:
    return (
        b'{"name":"x","serverapp":"a","clientapp":"b","nodes":1000,'
        b'"bundle":{"sha256":"%s","size":1},%s}' % (sha256.encode(), more)
    )


def joins() -> list[bytes]:
    extras = [
        b'"labels":{"\\ud800":"a"}',
        b'"labels":{"\\ud800":3}',
        b'"labels":{"a":"\\ud800"}',
        b'"labels":[[[[]]]]',
        b'"profile":{"memory_bytes":%d,"cpus":-%d}' % (2**70, 2**70),
        b'"profile":{"memory_bytes":%s}' % HUGE,
        b'"profile":{"memory_bytes":1e400}',
        b'"profile":{"memory_bytes":NaN}',
        b'"compressors":[]',
        b'"apps_allowed":"perhaps"',
        b'"x":' + b"[" * 5000 + b"]" * 5000,
    ]
    bodies = [b'{"name":"x","key":"%s",%s}' % (KEY, extra) for extra in extras]
    names = [rb"\ud800", b"..", b"a/b", rb"\u0000", rb"a\nb", b"\xff", b"", b"x" * 64]
    bodies += [b'{"name":"%s","key":"%s"}' % (name, KEY) for name in names]
    bodies += [b"", b"null", b"[]", b"\xff\xfe", b"{" * 5000, b'"', b"{}" * 9]
    return [post(JOIN, body) for body in bodies]


async def check(served: Served, requests: Iterable[bytes], *listings: bytes) -> None:
    """Send each; what came of it must not spoil a listing, which shows it to others."""
    for request in requests:
        assert fine(await ask(served.port, request)), request[:300]
        for listing in (*listings, b"/api/v1/live"):
            assert (await ask(served.port, get(listing))).status == 200, request[:300]


async def test_a_join_of_any_form(served: Served) -> None:
    await check(served, joins(), JOIN)


POLLS = [
    b'{"wait_s":NaN,"cost":{"cpu_s":NaN,"uptime_s":1e400}}',
    b'{"wait_s":-1e999,"progress":{"a":1e999,"b":-1e999,"c":NaN}}',
    b'{"wait_s":0,"cost":{"rss_bytes":%d}}' % 2**70,
    b'{"wait_s":0,"cost":{"rss_bytes":-%d}}' % 2**70,
    b'{"wait_s":0,"cost":{"rss_bytes":%s}}' % HUGE,
    b'{"wait_s":0,"cost":{"rss_bytes":1e30}}',
    b'{"wait_s":0,"holding":["\\ud800","../../x","\\u0000"]}',
    b'{"wait_s":0,"x":' + b"[" * 30_000,
    b'{"wait_s":0,"holding":{}}',
    b'{"wait_s":"soon"}',
    b"\xff",
    b"",
]


async def test_a_poll_of_any_form(served: Served) -> None:
    node = await served.join("pi-1")
    path = f"/api/v1/nodes/{node.id}/work".encode()
    auth = b"Authorization: Bearer " + node.token.encode()
    await check(served, [post(path, body, auth) for body in POLLS], JOIN)


SPECS = [
    b'"run_config":{"a":NaN,"b":1e999}',
    b'"run_config":{"\\ud800":"\\ud800"}',
    b'"run_config":{"a":%s}' % HUGE,
    b'"run_config":{"a":%d}' % 2**200,
    *[b'"run_config":' + b'{"a":' * d + b"1" + b"}" * d for d in (17, 300, 900, 980, 50_000)],
    *[b'"run_config":{"a":' + b"[" * d + b"]" * d + b"}" for d in (17, 300, 900, 980, 50_000)],
    b'"seed":%d' % 2**70,
    b'"seed":-1e400',
    b'"nodes":%d' % 2**70,
    b'"nodes":-1',
    b'"name":"a\\nb\\u001b[31m\\u0000"',
    b'"name":"%s"' % (b"a" * 100_000),
    b'"bundle":{"sha256":"../../x","size":1}',
    b'"bundle":{"sha256":"x","size":%d}' % 2**70,
    b'"bundle":null',
    b'"codec_up":"\\u0000"',
]


async def test_a_run_of_any_form(served: Served) -> None:
    sha256 = served.centre.blobs.put(b"an app").sha256
    await check(served, [post(RUNS, app_spec(sha256, more)) for more in SPECS], RUNS)


async def test_a_long_experiment_is_refused_and_nobody_waits_meanwhile(served: Served) -> None:
    long = json.dumps({"name": "x", "experiment": "a: [" + "1," * 15_000 + "]"}).encode()
    longest = json.dumps({"name": "x", "experiment": "a: [" + "1," * 400_000 + "]"}).encode()
    began = time.monotonic()
    assert b"larger than 100 kB" in (await ask(served.port, post(RUNS, longest))).body
    assert time.monotonic() - began < 5
    reading = asyncio.create_task(ask(served.port, post(RUNS, long)))
    asked = 0
    while not reading.done():
        assert (await ask(served.port, get(b"/api/v1/health"))).status == 200
        asked += 1
    assert (await reading).status == 422
    assert asked > 3


async def test_an_array_of_errors_costs_little(served: Served) -> None:
    """A wrong type throughout makes an error for each item: a kilobyte of memory for two bytes."""
    node = await served.join("pi-1")
    auth = b"Authorization: Bearer " + node.token.encode()
    poll = f"/api/v1/nodes/{node.id}/work".encode()
    for path, limit in ((JOIN, MAX_JOIN_BYTES), (poll, MAX_REPORT_BYTES)):
        head = post(path, b"1," * 100_000, auth).partition(b"\r\n\r\n")[0]
        answer = await ask(served.port, head + b"\r\n\r\n")
        assert (answer.status, f"larger than {limit}" in answer.body.decode()) == (413, True)


ESCAPES = [
    b"%2e%2e", b"..", b"%2e%2e%2f%2e%2e", b"..%5c..", b"%00", b"%ff%fe", b"%c0%ae%c0%ae",
    b"%F0%9F%98%80", b"%ED%A0%80", b".", b"%2f", b"%0a", b"x" * 5000, b"%25%32%65", b"~",
    b"fedbed.sqlite",
]  # fmt: skip


async def test_no_name_leads_to_another_file(served: Served) -> None:
    node = await served.join("pi-1")
    (served.folder / "state" / "secret").write_text("a secret")
    run = await _a_run(served)
    for escape in ESCAPES:
        await _try_to_escape(served, node, run, escape)


async def _try_to_escape(served: Served, node: Node, run: bytes, escape: bytes) -> None:
    auth = b"Authorization: Bearer " + node.token.encode()
    for path in (
        b"/api/v1/runs/%s" % escape,
        b"/api/v1/runs/%s/files" % escape,
        b"/api/v1/runs/%s/files/secret" % escape,
        b"/api/v1/runs/%s/files/%s" % (run, escape),
        b"/api/v1/runs/%s/files/%s%%2fsecret" % (run, escape),
        b"/api/v1/blobs/%s" % escape,
        b"/api/v1/blobs/%s%%2fsecret" % escape,
        b"/%s/secret" % escape,
    ):
        answer = await ask(served.port, get(path, auth))
        assert fine(answer)
        assert 400 <= answer.status < 500 or answer.body == b"[]", path
        assert b"a secret" not in answer.body
    for path in (
        b"/api/v1/runs/%s/stop" % escape,
        b"/api/v1/nodes/%s/drain" % escape,
        b"/api/v1/nodes/%s/remove" % escape,
        b"/api/v1/nodes/%s/work" % escape,
    ):
        assert fine(await ask(served.port, post(path, b"", auth))), path
    name = escape.decode()
    put = await served.client.put(f"/api/v1/work/{name}/result", content=b"x", headers=node.headers)
    assert 400 <= put.status_code < 500


async def _a_run(served: Served) -> bytes:
    sha256 = served.centre.blobs.put(b"an app").sha256
    answer = await ask(served.port, post(RUNS, app_spec(sha256, b'"seed":1')))
    return str(json.loads(answer.body)["id"]).encode()


REQUESTS = [
    get(b"/api/v1/live?wait=nan&after=%d" % 2**200),
    get(b"/api/v1/live?wait=-1e400&after=-" + HUGE[:30]),
    get(b"/api/v1/live?after=" + HUGE),
    get(b"/api/v1/live?after=%ff"),
    get(b"/api/v1/runs?limit=1e400"),
    get(b"/api/v1/runs?limit=" + HUGE),
    get(b"/api/v1/runs/"),
    get(b"/nope", b"Host: ["),
    get(b"/api/v1/runs/", b"Host: ["),
    get(b"/nope", b"Host: \xff\xfe"),
    get(b"/\xff"),
    get(b"/api/v1/health", b"X-A: " + b"a" * 40_000),
    get(b"/api/v1/health", b"Cookie: " + b"a=b;" * 5000),
    post(b"/api/v1/nodes/x/work", b"", b"Authorization: Bearer \xff\xfe"),
    post(b"/api/v1/nodes/x/work", b"", b"Authorization: " + b"x" * 40_000),
    post(b"/api/v1/runs/x/stop", b"", b"Origin: http://\xff\x1b"),
    post(b"/api/v1/nodes/x/drain?drained=%ff", b""),
    b"PUT /api/v1/work/x/result HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"PUT /api/v1/work/x/result HTTP/1.1\r\nHost: x\r\nContent-Length: " + HUGE + b"\r\n\r\n",
    b"PUT /api/v1/work/x/result HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET http://evil[/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]


async def test_requests_of_any_form(served: Served) -> None:
    await check(served, REQUESTS)


async def test_a_run_that_has_ended_is_no_fault_of_the_coordinator(served: Served) -> None:
    run = (await _a_run(served)).decode()
    first = await served.client.post(f"/api/v1/runs/{run}/stop")
    assert first.status_code == 200
    again = await served.client.post(f"/api/v1/runs/{run}/stop")
    assert (again.status_code, again.json()["code"]) == (409, "RunFailed")


async def test_the_results_of_a_run_whose_folder_was_tidied_away(served: Served) -> None:
    run = (await _a_run(served)).decode()
    served.centre.runs.folder(run).rmdir()
    assert (await served.client.get(f"/api/v1/runs/{run}/files")).json() == []
    gone = await served.client.get(f"/api/v1/runs/{run}/files/result.json")
    assert (gone.status_code, gone.json()["code"]) == (404, "NotFound")


async def test_a_fault_of_ours_says_nothing_of_itself(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(served.centre.fleet, "snapshot", broken)
    answer = await served.client.get("/api/v1/nodes")
    assert answer.status_code == 500
    assert answer.json()["code"] == "FedbedError"
    assert "secret" not in answer.text
