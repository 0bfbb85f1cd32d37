"""A stand-in for the coordinator: serves the live page and whatever picture a test sets."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import coordinator

PAGE = Path(coordinator.__file__).parent / "web" / "index.html"
Picture = dict[str, Any]


class Stub:
    """Serves on loopback. `show` changes the picture, `posts` keeps what the page asked for."""

    def __init__(self) -> None:
        self.posts: list[str] = []
        self.polls: list[str] = []
        self.refusal: tuple[int, str] | None = None
        self.session: Picture = {"name": "anybody", "role": "admin", "enrolled": False}
        self.token = ""
        """What the page must sign in with, if anything."""
        self.port = 0
        self._picture = picture()
        self._version = 1
        self._changed = threading.Condition()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    def show(self, shown: Picture) -> None:
        """Let watchers see this picture from now on."""
        with self._changed:
            self._picture = shown
            self._version += 1
            self._changed.notify_all()

    def start(self) -> None:
        """Listen: on a free port the first time, on the same one after `stop`."""
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                if url.path == "/":
                    self._answer(200, PAGE.read_bytes(), "text/html")
                elif stub.token and f"access={stub.token}" not in self.headers.get("Cookie", ""):
                    self._answer(401, b"{}", "application/json")
                elif url.path == "/api/v1/live":
                    stub.polls.append(self.path)
                    query = parse_qs(url.query)
                    body = stub.wait(int(query["after"][0]), float(query["wait"][0]))
                    if body is not None:
                        self._answer(200, body, "application/json")
                elif url.path == "/api/v1/session":
                    self._answer(200, json.dumps(stub.session).encode(), "application/json")
                else:
                    self._answer(404, b"{}", "application/json")

            def do_POST(self) -> None:
                stub.posts.append(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path.endswith("/session"):
                    self._sign_in(json.loads(body)["token"])
                elif stub.refusal is None:
                    self._answer(200, b"{}", "application/json")
                else:
                    status, detail = stub.refusal
                    body = json.dumps({"code": "Refused", "detail": detail}).encode()
                    self._answer(status, body, "application/json")

            def _sign_in(self, token: str) -> None:
                if token != stub.token:
                    refusal = {"code": "NotAdmitted", "detail": "this token is wrong"}
                    self._answer(401, json.dumps(refusal).encode(), "application/json")
                    return
                cookie = f"access={token}; HttpOnly; SameSite=Strict"
                self._answer(200, b"{}", "application/json", cookie)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

            def _answer(self, status: int, body: bytes, kind: str, cookie: str = "") -> None:
                try:
                    self.send_response(status)
                    if cookie:
                        self.send_header("Set-Cookie", cookie)
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:
                    pass  # the page has gone

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads = True
        self._server, self.port = server, server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Go away: open polls are cut, new ones find nobody."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        server.socket.close()
        with self._changed:
            self._changed.notify_all()

    def wait(self, after: int, wait_s: float) -> bytes | None:
        """Return the picture once it is newer than `after` or the time is up; None if stopped."""
        here = self._server
        with self._changed:
            self._changed.wait_for(
                lambda: self._version > after or self._server is not here, timeout=wait_s
            )
            if self._server is not here or here is None:
                return None
            return json.dumps({**self._picture, "version": self._version}).encode()


def node(name: str, state: str = "ready", **more: Any) -> Picture:
    """Return one node as the coordinator describes it."""
    return {
        "id": f"id-{name}",
        "name": name,
        "state": state,
        "run": None,
        "progress": 0.0,
        "labels": {},
        "seen_s_ago": 1.2,
        "agent": {"rss_bytes": 24_300_000, "cpu_s": 3.1, "uptime_s": 4000.0},
        "profile": {
            "machine": "aarch64",
            "system": "Linux 6.6",
            "python": "3.11.2",
            "agent": "0.1.0",
            "cpus": 4,
            "memory_bytes": 4_000_000_000,
            "packages": {"numpy": "1.26.4", "torch": "2.4.1"},
        },
        **more,
    }


def curve(rounds: int, start: float, goal: float, pace: float = 0.45) -> list[Picture]:
    """Return finished rounds whose accuracy climbs from `start` towards `goal`."""
    return [
        {
            "round": number,
            "accuracy": goal - (goal - start) * (1 - pace) ** (number - 1),
            "loss": 2.1 * (1 - pace) ** number + 0.2,
            "participants": 4,
            "asked": 4,
            "wall_s": 6.1 + 0.1 * number,
            "missing": {},
        }
        for number in range(1, rounds + 1)
    ]


def run(identity: str = "r1", state: str = "running", **more: Any) -> Picture:
    """Return one run as the coordinator describes it."""
    now = time.time()
    return {
        "id": identity,
        "name": "mnist-iid",
        "kind": "experiment",
        "seed": 7,
        "state": state,
        "phase": "round" if state == "running" else state,
        "detail": "",
        "round": 3,
        "rounds": 10,
        "wait": "",
        "nodes": 4,
        "roster": ["node-1", "node-2", "node-3", "node-4"],
        "dataset": "mnist",
        "history": curve(2, 0.62, 0.95),
        "twin": [],
        "bytes_up": 3_400_000,
        "bytes_down": 1_700_000,
        "elapsed_s": 21.0,
        "seconds_left": 47.5,
        "submitted_at": now - 30,
        "started_at": now - 25,
        "ended_at": None,
        "error_code": None,
        "error": None,
        "resumed": 0,
        **more,
    }


def picture(
    nodes: list[Picture] | None = None,
    runs: list[Picture] | None = None,
    events: list[Picture] | None = None,
) -> Picture:
    """Return the whole picture."""
    return {
        "version": 1,
        "coordinator": {"version": "0.1.0", "uptime_s": 3725.0},
        "nodes": nodes or [],
        "runs": runs or [],
        "events": events or [],
    }


def event(text: str, seconds_ago: float = 0.0, **more: str) -> Picture:
    """Return one event."""
    return {"at": time.time() - seconds_ago, "run": "", "node": "", "text": text, **more}
