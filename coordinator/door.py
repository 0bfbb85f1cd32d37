"""The door of the coordinator: accepts connections, and lets in who speaks what is spoken here.

It stands before uvicorn, which would wait for ever for a first byte and let a client that speaks
http to a TLS port hang. `doorkeeper` has the rules; here are the sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from typing import Any

from coordinator.doorkeeper import (
    Crowd,
    Full,
    Greeting,
    Limits,
    Sparing,
    greeting,
    https_address,
    plain_address,
)
from fedbed.errors import CoordinatorAway

log = logging.getLogger("fedbed")
ACCEPTS_PER_TURN = 64
"""Then others get their turn; who still waits comes with the next."""
PEEKED = 2048
"""Enough of a request's head to find the name by which it calls us."""
PAUSE_S = 1.0
FAREWELL_S = 2.0
"""For a peer that was answered, to read it; and for a TLS peer to say goodbye."""

MakeProtocol = Callable[[Callable[[], None]], asyncio.BaseProtocol]
"""Makes the protocol of a connection, which calls back when that is lost."""


class Door:
    """Takes the connections of `listener`, which it owns. context: how TLS is spoken, if it is."""

    def __init__(
        self, listener: socket.socket, limits: Limits, context: ssl.SSLContext | None = None
    ) -> None:
        self._listener = listener
        self._limits = limits
        self._context = context
        self._crowd = Crowd(limits)
        self._sparing = Sparing()
        self._waiting: dict[_Guest, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None

    def open(self, make: MakeProtocol) -> None:
        """Begin to accept, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._make = make
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)

    def close(self) -> None:
        """Accept no more, and hang up on who isn't in yet. Who is in is the server's to close."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for guest in list(self._waiting):
            self._turn_away(guest)
        for task in self._tasks:
            task.cancel()

    def _accept(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                sock, peer = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # it was gone before its turn came
            except OSError as error:  # no file or memory left: others must close first
                self._rest(error)
                return
            sock.setblocking(False)
            guest = _Guest(sock, plain_address(peer[0]), self._crowd)
            full = self._crowd.enter(guest.address)
            if full is None:
                self._receive(guest)
            else:
                sock.close()
                self._tell_full(full, guest.address)

    def _rest(self, error: OSError) -> None:
        self._tell("can't accept a connection (%s): trying again", error.strerror)
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(
            PAUSE_S, self._loop.add_reader, self._listener, self._accept
        )

    def _receive(self, guest: _Guest) -> None:
        if not self._greet(guest):
            late = self._loop.call_later(self._limits.first_byte_s, self._turn_away, guest)
            self._waiting[guest] = late
            self._loop.add_reader(guest.sock, self._spoke, guest)

    def _spoke(self, guest: _Guest) -> None:
        self._loop.remove_reader(guest.sock)
        self._waiting.pop(guest).cancel()
        if not self._greet(guest):  # woken for nothing
            self._receive(guest)

    def _turn_away(self, guest: _Guest) -> None:
        """Hang up on who has said nothing."""
        self._loop.remove_reader(guest.sock)
        self._waiting.pop(guest).cancel()
        guest.sock.close()
        guest.leave()

    def _greet(self, guest: _Guest) -> bool:
        """Let in who has begun to speak, or send it away; False if nothing has come yet."""
        try:
            first = guest.sock.recv(PEEKED, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            first = b""
        if not first:
            guest.sock.close()
            guest.leave()
            return True
        spoken = greeting(first, self._context is not None)
        if spoken is Greeting.OURS:
            self._begin(self._let_in(guest))
        elif spoken is Greeting.HTTP_TO_TLS:
            self._begin(self._answer(guest, first))
        else:
            what = "TLS to this port, which speaks http"
            if spoken is Greeting.NOISE:
                what = "neither TLS nor http to this port, which speaks https"
            self._tell("%s speaks " + what + ": hung up", guest.address)
            guest.sock.close()
            guest.leave()
        return True

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _let_in(self, guest: _Guest) -> None:
        times: dict[str, float] = {}
        if self._context is not None:
            times["ssl_handshake_timeout"] = self._limits.handshake_s
            times["ssl_shutdown_timeout"] = FAREWELL_S
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._make(guest.leave), guest.sock, ssl=self._context, **times
            )
        except OSError as error:
            guest.leave()
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            if isinstance(error, ssl.SSLError):
                self._tell("no TLS with %s (%s): has it this coordinator's CA, with --ca?",
                           guest.address, reason)  # fmt: skip
            else:
                log.debug("%s was gone before it was in: %s", guest.address, reason)

    async def _answer(self, guest: _Guest, head: bytes) -> None:
        """Say in plain HTTP that TLS is spoken here, and hang up when that was read."""
        sock = guest.sock
        host, port = sock.getsockname()[:2]
        address = https_address(head, plain_address(host), port)
        self._tell("%s speaks http to this port, which speaks https: refused", guest.address)
        try:
            with contextlib.suppress(OSError):
                async with asyncio.timeout(FAREWELL_S):
                    await self._loop.sock_sendall(sock, _refusal(address))
                    sock.shutdown(socket.SHUT_WR)
                    # Closed with bytes unread, the system would take the answer back.
                    while await self._loop.sock_recv(sock, 65536):
                        pass
        finally:
            sock.close()
            guest.leave()

    def _tell_full(self, full: Full, address: str) -> None:
        if full is Full.ALL and self._sparing.due(time.monotonic(), "full"):
            log.error(
                "%d connections are open, as many as the limit of open files allows: other "
                "nodes have to wait; raise the hard limit (`ulimit -Hn`)",
                self._limits.most,
            )
        elif full is Full.ADDRESS:
            self._tell(
                f"%s has {self._limits.most_per_address} connections open, as many as one address "
                "may: --connections-per-address allows more",
                address,
            )

    def _tell(self, line: str, *words: Any) -> None:
        if self._sparing.due(time.monotonic(), line, str(words[0])):
            log.warning(line, *words)


class _Guest:
    """A connection from its accept to its end, counted in the crowd until it leaves."""

    def __init__(self, sock: socket.socket, address: str, crowd: Crowd) -> None:
        self.sock = sock
        self.address = address
        self._crowd: Crowd | None = crowd

    def leave(self) -> None:
        """Count it out, once: an end may be noticed in more than one place."""
        if self._crowd is not None:
            self._crowd.leave(self.address)
            self._crowd = None


def _refusal(address: str) -> bytes:
    """Return the answer to a request in plain HTTP.

    CoordinatorAway, as for the reverse: it may pass by a restart, and nodes that have joined must
    not let go of their updates for it.
    """
    error = CoordinatorAway(f"this port speaks https: use {address} (--coordinator).")
    body = json.dumps({"code": error.code, "detail": str(error)}).encode()
    head = (
        "HTTP/1.1 400 Bad Request\r\n"
        "content-type: application/json\r\n"
        f"content-length: {len(body)}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body
