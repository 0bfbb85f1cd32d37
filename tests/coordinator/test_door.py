"""The door with real sockets, and with the protocol that stands behind it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop

from coordinator.door import Door
from coordinator.doorkeeper import Limits
from coordinator.protocol import MAX_HEAD_BYTES, watching
from fedbed import authority

LIMIT_S = 20.0
QUICK = Limits(first_byte_s=0.2, handshake_s=0.3, head_s=0.3)
GET = b"GET /x HTTP/1.1\r\nHost: pc:1\r\n\r\n"
Scope = dict[str, Any]


async def app(scope: Scope, receive: Callable[[], Awaitable[Scope]], send: Any) -> None:
    """Answer with the scheme and the length of what came; of what is refused nothing is read."""
    length, more = 0, scope["path"] != "/refused"
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = f"{scope['scheme']} {length}".encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def standing(
    limits: Limits, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[Any]]]:
    """A door with uvicorn's protocol behind it; gives its port and who was lost, in order."""
    lost: list[Any] = []
    config = uvicorn.Config(
        app, http=watching(lost.append, limits.head_s), lifespan="off", ws="none"
    )
    config.load()
    state = uvicorn.server.ServerState()

    def make(leave: Callable[[], None]) -> asyncio.BaseProtocol:
        protocol: Any = config.http_protocol_class(config=config, server_state=state, app_state={})  # type: ignore[call-arg]
        protocol.leave = leave
        return protocol  # type: ignore[no-any-return]

    listener = socket.create_server(("127.0.0.1", 0))
    door = Door(listener, limits, context)
    door.open(make)
    try:
        yield listener.getsockname()[1], lost
    finally:
        door.close()
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.sleep(0.05)


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """How to serve and how to connect."""
    authority.make_ca(tmp_path)
    authority.issue(tmp_path, ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    return context, ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in asyncio's own loop, and in the one that uvicorn prefers."""

    @functools.wraps(test)
    def run(loop: Any, **more: Any) -> None:
        loop(test(**more))

    signature = inspect.signature(test)
    loop = inspect.Parameter("loop", inspect.Parameter.KEYWORD_ONLY)
    everything = [*signature.parameters.values(), loop]
    run.__signature__ = signature.replace(parameters=everything)  # type: ignore[attr-defined]
    loops = pytest.mark.parametrize("loop", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
    both: Callable[..., None] = loops(run)
    return both


async def connect(
    port: int, context: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, ssl=context)


def distrust(port: int) -> None:
    """Connect as a node does whose CA is another; asyncio's client would not say why it goes."""
    with socket.create_connection(("127.0.0.1", port)) as raw:
        ssl.create_default_context().wrap_socket(raw, server_hostname="127.0.0.1")


async def to_the_end(reader: asyncio.StreamReader) -> bytes:
    """Everything until the other side hangs up, however it does it."""
    came = b""
    async with asyncio.timeout(LIMIT_S):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while piece := await reader.read(1000):
                came += piece
    return came


async def answer(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(LIMIT_S):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        return await reader.readexactly(length)


@on_both_loops
async def test_http_and_a_word_at_the_end() -> None:
    async with standing(Limits()) as (port, lost):
        reader, writer = await connect(port)
        for _ in range(2):
            writer.write(GET)
            assert await answer(reader) == b"http 0"
        mine = writer.get_extra_info("sockname")
        writer.close()
        async with asyncio.timeout(LIMIT_S):
            while not lost:
                await asyncio.sleep(0.01)
        assert lost == [mine]


@on_both_loops
async def test_tls(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with standing(Limits(), contexts[0]) as (port, lost):
        reader, writer = await connect(port, contexts[1])
        for _ in range(2):
            writer.write(GET)
            assert await answer(reader) == b"https 0"
        assert not lost
        writer.close()


@on_both_loops
async def test_silence_is_hung_up_on(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with standing(QUICK) as (port, _), standing(QUICK, contexts[0]) as (tls_port, _):
        for silent in (port, tls_port):
            reader, writer = await connect(silent)
            assert await to_the_end(reader) == b""
            writer.close()
        # Who stops in the midst of a TLS greeting, or is silent after it.
        reader, writer = await connect(tls_port)
        writer.write(b"\x16\x03\x01")
        assert await to_the_end(reader) == b""
        writer.close()
        reader, writer = await connect(tls_port, contexts[1])
        assert await to_the_end(reader) == b""
        writer.close()


@pytest.mark.parametrize("drip", [b"GET /x HTTP/1.1\r\nA: b", b"GET /"])
@on_both_loops
async def test_a_head_must_be_complete_in_time(drip: bytes) -> None:
    async with standing(QUICK) as (port, _):
        reader, writer = await connect(port)
        end = asyncio.create_task(to_the_end(reader))
        writer.write(drip)
        while not end.done():
            writer.write(b"a")
            await asyncio.wait([end], timeout=0.05)
        assert await end == b""
        writer.close()


@on_both_loops
async def test_a_head_must_be_of_a_size() -> None:
    async with standing(Limits()) as (port, _):
        reader, writer = await connect(port)
        writer.write(b"PUT /x HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n" + b"a" * 5_000_000)
        assert await answer(reader) == b"http 5000000", "a body is no head"
        end = asyncio.create_task(to_the_end(reader))
        writer.write(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(RuntimeError, ConnectionError):  # it may be closed by then
            for number in range(2 * MAX_HEAD_BYTES // 1000):
                writer.write(b"A%d: %s\r\n" % (number, b"b" * 1000))
                await asyncio.sleep(0)
        assert await asyncio.wait_for(end, 5) == b""
        writer.close()


@on_both_loops
async def test_a_body_that_goes_on_after_its_answer_is_no_head() -> None:
    async with standing(Limits()) as (port, _):
        reader, writer = await connect(port)
        writer.write(b"PUT /refused HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
        assert await answer(reader) == b"http 0"
        writer.write(b"a" * 1_000_000 + GET)
        assert await answer(reader) == b"http 0"
        writer.close()


@on_both_loops
async def test_idle_connections_and_slow_bodies_stay_and_a_second_slow_head_does_not() -> None:
    async with standing(QUICK) as (port, _):
        reader, writer = await connect(port)
        writer.write(GET)
        assert await answer(reader) == b"http 0"
        await asyncio.sleep(3 * QUICK.head_s)
        writer.write(b"PUT /x HTTP/1.1\r\nContent-Length: 6\r\n\r\n")
        for _ in range(6):
            await asyncio.sleep(0.1)
            writer.write(b"a")
        assert await answer(reader) == b"http 6"
        await asyncio.sleep(3 * QUICK.head_s)
        writer.write(GET)
        assert await answer(reader) == b"http 0", "the end of a body begins no head"
        writer.write(GET[:-4])
        assert await to_the_end(reader) == b""
        writer.close()


@pytest.mark.parametrize("body", [b"", b"a" * 5_000_000])
@on_both_loops
async def test_http_to_a_tls_port_is_answered(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    body: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with standing(Limits(), contexts[0]) as (port, _):
        reader, writer = await connect(port)
        length = str(len(body)).encode()
        writer.write(
            b"PUT /x HTTP/1.1\r\nHost: pc:1\r\nContent-Length: " + length + b"\r\n\r\n" + body
        )
        head, _, text = (await to_the_end(reader)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        refusal = json.loads(text)
        assert refusal["code"] == "CoordinatorAway"
        assert refusal["detail"] == "this port speaks https: use https://pc:1 (--coordinator)."
        writer.close()
    assert "127.0.0.1 speaks http to this port" in caplog.text


@on_both_loops
async def test_tls_to_an_http_port_and_noise_to_a_tls_port_are_told(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    async with standing(Limits()) as (port, _), standing(Limits(), contexts[0]) as (tls_port, _):
        for _ in range(3):
            with pytest.raises(OSError):
                await connect(port, contexts[1])
        reader, writer = await connect(tls_port)
        writer.write(b"\x00\x01")
        assert await to_the_end(reader) == b""
        writer.close()
    assert caplog.text.count("127.0.0.1 speaks TLS to this port, which speaks http") == 1
    assert "127.0.0.1 speaks neither TLS nor http to this port" in caplog.text


@on_both_loops
async def test_a_client_that_distrusts_the_certificate_is_told(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    async with standing(Limits(most=1), contexts[0]) as (port, _):
        for _ in range(3):  # each gives its place back
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.to_thread(distrust, port)
            await asyncio.sleep(0.05)
        _, writer = await connect(port, contexts[1])
        writer.close()
    assert "no TLS with 127.0.0.1" in caplog.text


@on_both_loops
async def test_old_tls_is_refused(tmp_path: Path) -> None:
    from coordinator.settings import Settings
    from coordinator.tls import server_context

    authority.make_ca(tmp_path)
    context = server_context(Settings(tls_dir=tmp_path))
    old = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with standing(Limits(), context) as (port, _):
        with pytest.raises(OSError):
            await connect(port, old)


@pytest.mark.parametrize("over", ["most", "most_per_address"])
@on_both_loops
async def test_limits(
    over: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("coordinator.doorkeeper.is_loopback", lambda address: False)
    async with standing(replace(Limits(), **{over: 3})) as (port, _):
        inside = []
        for _ in range(3):
            reader, writer = await connect(port)
            writer.write(GET)
            assert await answer(reader) == b"http 0"
            inside.append(writer)
        for _ in range(3):
            reader, writer = await connect(port)
            assert await to_the_end(reader) == b""
            writer.close()
        inside[0].close()
        await asyncio.sleep(0.1)
        reader, writer = await connect(port)
        writer.write(GET)
        assert await answer(reader) == b"http 0"
        for one in [*inside, writer]:
            one.close()
    assert caplog.text.count("3 connections") == 1


@on_both_loops
async def test_who_knocks_and_goes_leaves_nothing(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for context in (None, contexts[0]):
        async with standing(Limits(most=1), context) as (port, _):
            for said in (b"", b"\x16", b"G"):
                reader, writer = await connect(port)
                writer.write(said)
                writer.close()
                await asyncio.sleep(0.1)
            reader, writer = await connect(port, contexts[1] if context else None)
            writer.write(GET)
            assert (await answer(reader)).endswith(b" 0")
            writer.close()
    assert "Traceback" not in caplog.text
