"""A small real HTTP server on loopback that plays the coordinator, and can be told to misbehave."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fedbed.link.messages import BlobRef

LIMIT_S = 20.0


@dataclass(frozen=True)
class Seen:
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(frozen=True)
class Answer:
    """What to say instead of the right thing."""

    status: int
    body: bytes
    before_body: bool = False
    """Answer and hang up without reading what the client sends."""


def refusal(status: int, code: str, detail: str = "no", before_body: bool = False) -> Answer:
    body = json.dumps({"code": code, "detail": detail}).encode()
    return Answer(status, body, before_body)


@dataclass
class Peer:
    """Fields may be set while it serves; whoever waits is told of every request by `wait`."""

    port: int = 0
    blobs: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    """Bytes after which each of the next downloads is cut."""
    ranges: bool = True
    work: list[dict[str, Any]] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    run: str | None = None
    instead: dict[str, list[Answer]] = field(default_factory=dict)
    """By `METHOD prefix`: answers to give first, each once."""
    hold: dict[str, threading.Event] = field(default_factory=dict)
    """By `METHOD prefix`: answer only when the event is set."""
    seen: list[Seen] = field(default_factory=list)
    results: dict[str, bytes] = field(default_factory=dict)
    closed: bool = False
    tls: Path | None = None
    """A folder of `fedbed ca`: serve TLS with its certificate."""

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        self.sockets: list[socket.socket] = []
        self.connections = 0
        peer = self

        class Handler(_Handler):
            pass

        Handler.peer = peer
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        if self.tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.tls / "server.pem", self.tls / "server.key")
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Die as a killed process does: nobody listens, all connections are cut."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.cut()

    def cut(self) -> None:
        """Cut all connections."""
        for one in list(self.sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def blob_of(data: bytes) -> BlobRef:
        return BlobRef(hashlib.sha256(data).hexdigest(), len(data))

    def blob(self, data: bytes) -> BlobRef:
        ref = self.blob_of(data)
        self.blobs[ref.sha256] = data
        return ref

    def requests(self, method: str, prefix: str = "") -> list[Seen]:
        return [s for s in self.seen if s.method == method and s.path.startswith(prefix)]

    def wait(self, predicate: Callable[[], Any], limit_s: float = LIMIT_S) -> None:
        with self.changed:
            assert self.changed.wait_for(predicate, limit_s), [
                (s.method, s.path) for s in self.seen[-20:]
            ]

    def tell(self, **changes: Any) -> None:
        """Change fields and wake the open poll."""
        with self.changed:
            for name, value in changes.items():
                setattr(self, name, value)
            self.changed.notify_all()

    def taken(self, table: dict[str, list[Answer]], request: str) -> Answer | None:
        with self.changed:
            for key, answers in table.items():
                if request.startswith(key) and answers:
                    return answers.pop(0)
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    peer: Peer

    def setup(self) -> None:
        super().setup()
        self.peer.sockets.append(self.connection)
        self.peer.connections += 1

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _handle(self) -> None:
        peer = self.peer
        request = f"{self.command} {self.path}"
        instead = peer.taken(peer.instead, request)
        if instead is not None and instead.before_body:
            self._note(b"")
            self.close_connection = True
            self._answer(instead.status, instead.body)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._note(body)
        for key, event in peer.hold.items():
            if request.startswith(key):
                event.wait(LIMIT_S)
        if instead is not None:
            self._answer(instead.status, instead.body)
        elif self.command == "GET":
            self._blob(self.path.rpartition("/")[2])
        elif self.command == "PUT":
            item = self.path.split("/")[-2]
            with peer.changed:
                peer.results[item] = body
                peer.changed.notify_all()
            self._json({"item": item, "status": "stored"})
        elif self.command == "DELETE":
            self._json({"left": "it"})
        elif "/rest?" in self.path:
            self._json({"name": "it", "drained": self.path.endswith("true")})
        elif self.path == "/api/v1/nodes":
            name = json.loads(body)["name"]
            token = f"token-{len([s for s in peer.seen if s.path == self.path])}"
            self._json({"node_id": "n-1", "name": name, "token": token, "poll_s": 5.0, "new": 1})
        else:
            self._poll(json.loads(body))

    def _poll(self, asked: dict[str, Any]) -> None:
        peer = self.peer
        arrived = time.monotonic()
        until = arrived + float(asked["wait_s"])
        reply: dict[str, Any] = {}
        with peer.changed:
            while not peer.closed:
                offer = [w for w in peer.work if w["id"] not in asked["holding"]]
                drop = [d for d in peer.drop if d in asked["holding"]]
                if offer or drop:
                    reply = {"work": offer[0] if offer else None, "drop": drop}
                    peer.work = [w for w in peer.work if not offer or w["id"] != offer[0]["id"]]
                left = until - time.monotonic()
                if reply or left <= 0:
                    break
                peer.changed.wait(left)
        if not peer.closed:
            held_s = time.monotonic() - arrived
            self._json(
                {"poll_s": 5.0, "run": peer.run, "now_s": time.time(), "held_s": held_s, **reply}
            )

    def _blob(self, sha256: str) -> None:
        data = self.peer.blobs.get(sha256)
        if data is None:
            self._answer(404, b'{"code": "NotFound", "detail": "no such blob"}')
            return
        start, status = 0, 200
        if self.peer.ranges and self.headers.get("Range"):
            start, status = int(self.headers["Range"][len("bytes=") : -1]), 206
        part = data[start:]
        self.send_response(status)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if self.peer.cut_after:
            self.wfile.write(part[: self.peer.cut_after.pop(0)])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.wfile.write(part)

    def _note(self, body: bytes) -> None:
        peer = self.peer
        with peer.changed:
            peer.seen.append(Seen(self.command, self.path, dict(self.headers), body))
            peer.changed.notify_all()

    def _json(self, answer: dict[str, Any]) -> None:
        self._answer(200, json.dumps(answer).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
