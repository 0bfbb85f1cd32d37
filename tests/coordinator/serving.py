"""A real coordinator on a loopback port, in the test's own event loop, and nodes to talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn

from coordinator.api.app import make_app
from coordinator.centre import Centre
from coordinator.fleet.fleet import Member
from coordinator.settings import OPEN, Settings
from fedbed import codec
from fedbed.link import envelope
from fedbed.link.messages import AppRef, Record, WorkItem, unparse

Arrays = dict[str, "np.ndarray[Any, Any]"]
TIMELINE = {"work_s": 0.5, "bytes_down": 10}


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Node:
    """A node as the API sees it."""

    client: httpx.AsyncClient
    id: str
    name: str
    token: str
    folder: Path

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def poll(self, wait_s: float = 8.0, **report: Any) -> httpx.Response:
        return await self.client.post(
            f"/api/v1/nodes/{self.id}/work", json={"wait_s": wait_s, **report}, headers=self.headers
        )

    async def put(self, item: str, data: bytes, sha256: str | None = None) -> httpx.Response:
        digest = hashlib.sha256(data).hexdigest() if sha256 is None else sha256
        return await self.client.put(
            f"/api/v1/work/{item}/result",
            content=data,
            headers={**self.headers, "X-Fedbed-Sha256": digest},
        )

    def result(
        self,
        item: str,
        /,
        arrays: Arrays | None = None,
        error: str | None = None,
        profile: str = "exact",
        reference: codec.Reference | None = None,
        synced: bool = True,
        **meta: Any,
    ) -> bytes:
        """Return the bytes of a result, as a worker writes it."""
        payloads = []
        if arrays is not None:
            payloads = [("arrays", codec.encode(arrays, profile, "zlib", reference))]
        listed: list[dict[str, Any]] = [
            {"name": name, "kind": "arrays", "payload": name} for name, _ in payloads
        ]
        listed.append({"name": "metrics", "kind": "metrics", "values": {"num-examples": 3}})
        head = {"item": item, "records": listed, "error": error, "timeline": TIMELINE, **meta}
        path = self.folder / f"{item}.out"
        envelope.write(path, head, payloads, synced)
        return path.read_bytes()


@dataclass
class Served:
    """A coordinator that listens; `replies` is what runs' processes would have been told."""

    centre: Centre
    client: httpx.AsyncClient
    port: int
    folder: Path
    replies: list[dict[str, Any]] = field(default_factory=list)

    async def join(self, name: str, **more: Any) -> Node:
        key = hashlib.sha256(name.encode()).hexdigest()
        answer = await self.client.post("/api/v1/nodes", json={"name": name, "key": key, **more})
        assert answer.status_code == 200, answer.text
        reply = answer.json()
        return Node(self.client, reply["node_id"], name, reply["token"], self.folder)

    def member(self, node: Node) -> Member:
        return self.centre.fleet.fleet.get(node.id)

    def state(self, node: Node) -> str:
        return str(self.centre.fleet.state(self.member(node)))

    async def send(
        self,
        nodes: list[Node],
        window: str = "run.000001",
        expect: list[Any] | None = None,
        retries: int = 0,
        max_bytes: int = 10_000,
        records: Sequence[Record] = (),
        **rules: Any,
    ) -> list[str]:
        """Put one item out to each node, as a run's process would; returns the items' ids."""
        items = [
            WorkItem(
                f"{window}.{p}", "run", 1, "train", AppRef("task", "t"), p, len(nodes),
                list(records), "exact", "zlib", max_bytes,
            )
            for p in range(len(nodes))
        ]  # fmt: skip
        request = {
            "window": window,
            "label": "round 1: training",
            "items": [unparse(item) for item in items],
            "quorum": 1,
            "enough": len(nodes),
            "deadline_s": 60.0,
            "rejoin_grace_s": 0.0,
            "retries": retries,
            "expect": expect,
            "finite": expect is not None,
            **rules,
        }
        members = {p: self.member(node) for p, node in enumerate(nodes)}
        await self.centre.exchange.send("run", request, members)
        return [item.id for item in items]


@contextlib.asynccontextmanager
async def serving(folder: Path, access: str = OPEN) -> AsyncIterator[Served]:
    """Serve a coordinator on `folder` until the block ends."""
    folder.mkdir(exist_ok=True)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(100)
    port = listener.getsockname()[1]
    centre = Centre(Settings(state_dir=folder / "state", access=access))
    server = _Quiet(
        uvicorn.Config(
            make_app(centre),
            log_level="error",
            lifespan="on",
            ws="none",
            timeout_graceful_shutdown=1,
        )
    )
    started = asyncio.Event()
    startup = server.startup

    async def announce(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = announce  # type: ignore[method-assign]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    assert server.started
    base = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=base, timeout=20) as client:
            served = Served(centre, client, port, folder)
            centre.exchange.on_reply = lambda _run, message: served.replies.append(message)
            yield served
    finally:
        centre.answer_waiters()
        server.should_exit = True
        await task
        listener.close()


async def until(condition: Any, live: Any, timeout_s: float = 10.0) -> None:
    """Wait until `condition()` holds, looking again at each change that watchers would see."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await live.wait(live.version, 0.25)
