"""A link that can be cut, slowed and garbled: a TCP proxy in front of the coordinator.

It works for TLS too, except that bodies can't be found in it to be garbled. Its event loop has a
thread of its own; all methods may be called from any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from fedbed.chaos.tamper import Tamper

CHUNK = 64 * 1024
SLICES_A_SECOND = 20
"""At a limited rate bytes go out in so many portions a second."""
_RESET = struct.pack("ii", 1, 0)


class Wire:
    """One node's way to a coordinator; `start` it, connect to its `url`, `close` it."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._open = asyncio.Event()
        self._pairs: set[asyncio.Task[None]] = set()
        self._delay_s = 0.0
        self._rate = 0.0
        self._armed = False
        self._corrupted = threading.Event()

    @property
    def url(self) -> str:
        """Address to give to the node in place of the coordinator's."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        self._do(self._listen())
        self._call(self._open.set)

    def close(self) -> None:
        """Break everything off. Idempotent."""
        if self._loop.is_closed():
            return
        if self._thread.is_alive():
            self._do(self._refuse())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def cut(self, how: str) -> None:
        """Let nothing through: `refuse` connections at once, or let them `hang`."""
        if how == "refuse":
            self._do(self._refuse())
        else:
            self._call(self._open.clear)

    def slow(self, delay_s: float, rate_bytes: float) -> None:
        """Delay each way, and limit its rate in bytes per second."""
        self._delay_s, self._rate = delay_s, rate_bytes

    def mend(self) -> None:
        """Let everything through again."""
        self._delay_s = self._rate = 0.0
        self._armed = False
        self._call(self._open.set)
        self._do(self._listen())

    def corrupt_next(self) -> None:
        """Flip a bit in the body of the next result that the node sends."""
        self._corrupted.clear()
        self._armed = True

    def corrupted(self, wait_s: float) -> bool:
        """Whether that has happened; waits `wait_s` at most for it."""
        return self._corrupted.wait(wait_s)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _call(self, change: Callable[[], None]) -> None:
        async def work() -> None:
            change()

        self._do(work())

    async def _listen(self) -> None:
        if self._server is not None:
            return
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", self._port, limit=CHUNK
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for pair in self._pairs:
            pair.cancel()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pairs.add(task)
        try:
            await self._carry(reader, writer)
        except asyncio.CancelledError:
            _reset(writer)
        except OSError:
            pass  # either side has gone; the other is closed below
        finally:
            self._pairs.discard(task)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes both ways until one side ends: HTTP needs no half-closed connections."""
        await self._open.wait()
        there, back = await asyncio.open_connection(*self._target, limit=CHUNK)
        ways = [
            asyncio.create_task(self._pump(reader, back, Tamper())),
            asyncio.create_task(self._pump(there, writer, None)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            back.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tamper: Tamper | None
    ) -> None:
        """Read on while earlier bytes wait for their time: a delay is no limit of the rate."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)
        sending = asyncio.create_task(self._send(waiting, writer))
        try:
            data = b"-"
            while data and not sending.done():
                data = await reader.read(CHUNK)
                if tamper is not None:
                    data, struck = tamper.feed(data, self._armed)
                    if struck:
                        self._armed = False
                        self._corrupted.set()
                await waiting.put((self._loop.time() + self._delay_s, data))
            await sending
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sending

    async def _send(
        self, waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            # A pulled cable passes on no goodbye either.
            await self._open.wait()
            if not data:
                return
            at = 0
            while at < len(data):
                rate = self._rate
                step = max(1, int(rate / SLICES_A_SECOND)) if rate else len(data)
                writer.write(data[at : at + step])
                await writer.drain()
                at += step
                if rate:
                    await asyncio.sleep(step / rate)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset: whoever waits for an answer hears of it at once."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
