from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from urllib.parse import urlsplit

import pytest

from fedbed.chaos.wire import Wire


class Echo:
    """Sends back what comes, on a port of its own."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.received = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    self.received += data
                    connection.sendall(data)
            except OSError:
                return

    def close(self) -> None:
        # A thread that waits in accept() keeps the socket open: closing alone doesn't wake it.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    with closing(Echo()) as running:
        yield running


@pytest.fixture
def wire(echo: Echo) -> Iterator[Wire]:
    with closing(Wire("127.0.0.1", echo.port)) as running:
        running.start()
        yield running


def connect(wire: Wire) -> socket.socket:
    parts = urlsplit(wire.url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5)
    connection.settimeout(5)
    return connection


def answer(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        data = connection.recv(size - len(found))
        if not data:
            break
        found += data
    return found


def test_everything_passes_both_ways_and_ends_are_passed_on(wire: Wire) -> None:
    data = bytes(range(256)) * 4000
    with connect(wire) as connection:
        threading.Thread(target=connection.sendall, args=(data,)).start()
        assert answer(connection, len(data)) == data


def test_a_cut_link_refuses_and_is_mended_on_the_same_port(wire: Wire) -> None:
    with connect(wire) as connection:
        connection.sendall(b"one")
        assert answer(connection, 3) == b"one"
        wire.cut("refuse")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
        with pytest.raises(ConnectionRefusedError):
            connect(wire)
    wire.mend()
    with connect(wire) as connection:
        connection.sendall(b"two")
        assert answer(connection, 3) == b"two"


def test_a_hanging_link_says_nothing_and_loses_nothing(wire: Wire) -> None:
    with connect(wire) as connection, connect(wire) as late:
        wire.cut("hang")
        connection.sendall(b"patience")
        late.sendall(b"later")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        wire.mend()
        connection.settimeout(5)
        assert answer(connection, 8) == b"patience"
        assert answer(late, 5) == b"later"


def test_a_slow_link_delays_and_limits(wire: Wire) -> None:
    wire.slow(delay_s=0.1, rate_bytes=20_000)
    with connect(wire) as connection:
        began = time.monotonic()
        connection.sendall(bytes(4000))
        assert answer(connection, 4000) == bytes(4000)
        # 0.1 s and 0.2 s each way; portions overlap, so it is less than the sum.
        assert time.monotonic() - began > 0.35


def test_one_upload_is_garbled_and_that_is_told(wire: Wire, echo: Echo) -> None:
    head = b"PUT /api/v1/work/r.1.0/result HTTP/1.1\r\nContent-Length: 6\r\n\r\n"
    wire.corrupt_next()
    assert not wire.corrupted(0)
    with connect(wire) as connection:
        for _ in range(2):
            connection.sendall(head + b"update")
            answer(connection, len(head) + 6)
    assert wire.corrupted(5)
    assert echo.received == head + b"epdate" + head + b"update"


def test_when_nobody_listens_behind_it_connections_end(echo: Echo, wire: Wire) -> None:
    echo.close()
    with connect(wire) as connection, suppress(ConnectionResetError):
        assert connection.recv(1) == b""
    echo._listener = socket.create_server(("127.0.0.1", 0))  # for the fixture to close


def test_closing_twice_is_fine_and_ends_the_thread(echo: Echo) -> None:
    wire = Wire("127.0.0.1", echo.port)
    wire.start()
    wire.close()
    wire.close()
    assert "wire" not in {thread.name for thread in threading.enumerate()}
