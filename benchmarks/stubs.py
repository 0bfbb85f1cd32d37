"""A fleet of stub nodes in one process: `python -m benchmarks.stubs --coordinator URL --nodes N`.

A stub stands in for the hardware of a node, and for a Python of its own, and for nothing else: to
the coordinator it is an agent. It has two connections, one for the poll and one for bulk data; it
joins with its own key, polls with the progress and the items that it holds, fetches every blob over
its own socket and answers with a whole envelope. It doesn't train: nodes with an even number send
the model back as it came, those with an odd number send half of it, so that the average tells
whether everybody was counted.

Each blob is kept once for all stubs and each answer is encoded once, or one machine could not hold
a thousand of them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import random
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from benchmarks.wire import Connection
from fedbed import codec
from fedbed.link import envelope
from fedbed.link.messages import JoinRequest, NodeProfile, PollRequest, Timeline, unparse

PAUSE_S = 0.5
BLOBS_KEPT = 3
CONNECTIONS = 2
SPARE_FILES = 64


class Answers:
    """The payloads that the stubs send: of each model that is out, itself and half of it."""

    def __init__(self) -> None:
        self._models: dict[str, asyncio.Future[bytes]] = {}
        self._payloads: dict[tuple[str, bool, str, str], asyncio.Future[bytes]] = {}

    async def fetch(self, sha256: str, link: Connection, headers: str) -> int:
        """Download a blob over `link` and return its size; only the first who asks keeps it."""
        first = sha256 not in self._models
        if first:
            self._models[sha256] = asyncio.get_running_loop().create_future()
            _keep_latest(self._models)
        kept = self._models[sha256]
        try:
            answer = await link.ask("GET", f"/api/v1/blobs/{sha256}", headers, keep=first)
        except OSError:
            if first:
                self._models.pop(sha256, None)
                kept.set_exception(ConnectionError("the blob didn't come"))
                kept.exception()  # nobody may be waiting for it
            raise
        if first:
            kept.set_result(answer.body)
        return answer.size

    async def payload(self, item: dict[str, Any], sha256: str, half: bool) -> bytes:
        """Return the arrays of the answer, encoded as the item wants them."""
        how = (str(item["codec"]), str(item["compressor"]))
        if sha256 not in self._models:
            raise ConnectionError(f"blob {sha256[:12]} has to be fetched again")
        model = await self._models[sha256]
        if not half:
            return model
        key = (sha256, half, *how)
        if key not in self._payloads:
            self._payloads[key] = asyncio.ensure_future(asyncio.to_thread(_halved, model, *how))
            _keep_latest(self._payloads)
        return await self._payloads[key]


class Stub:
    """One node."""

    def __init__(self, number: int, host: str, port: int, answers: Answers) -> None:
        self._number = number
        self._answers = answers
        self._poll_link = Connection(host, port)
        self._bulk_link = Connection(host, port)
        self._bulk_free = asyncio.Lock()
        self._headers = ""
        self._node_id = ""
        self._poll_s = self._busy_poll_s = 1.0
        self._blobs: set[str] = set()
        self._work: dict[str, asyncio.Task[None]] = {}
        self._started = time.monotonic()

    async def serve(self) -> None:
        """Join and poll until cancelled, whatever happens to the coordinator."""
        while True:
            if not await self._polled():
                self._poll_link.close()
                await asyncio.sleep(PAUSE_S * random.uniform(1, 3))  # nosec B311 # jitter

    async def _polled(self) -> bool:
        """Poll once, having joined; False if the link failed."""
        try:
            if not self._node_id:
                await self._join()
            await self._poll()
        except OSError as error:
            sys.stderr.write(f"stub-{self._number}: {error}\n")
            return False
        return True

    async def _join(self) -> None:
        request = JoinRequest(
            name=f"stub-{self._number}",
            key=hashlib.sha256(f"stub {self._number}".encode()).hexdigest(),
            profile=NodeProfile(
                "stub", "stub", "3", "stub", 4, 4 << 30, {"flwr": "1", "numpy": "2"}
            ),
            labels={"kind": "stub"},
            compressors=list(codec.compressors()),
            apps_allowed=True,
        )
        reply = (await self._poll_link.ask("POST", "/api/v1/nodes", "", unparse(request))).json()
        self._node_id, self._poll_s = str(reply["node_id"]), float(reply["poll_s"])
        self._headers = f"Authorization: Bearer {reply['token']}\r\n"

    async def _poll(self) -> None:
        holding = list(self._work)
        request = PollRequest(
            wait_s=min(self._poll_s, self._busy_poll_s) if holding else self._poll_s,
            holding=holding,
        )
        request.cost.uptime_s = round(time.monotonic() - self._started, 1)
        path = f"/api/v1/nodes/{self._node_id}/work"
        answer = await self._poll_link.ask("POST", path, self._headers, unparse(request))
        if answer.status in (403, 404):
            self._node_id = ""
            return
        reply = answer.json()
        self._poll_s, self._busy_poll_s = float(reply["poll_s"]), float(reply["busy_poll_s"])
        for item in reply["drop"]:
            if item in self._work:
                self._work[item].cancel()
        work = reply["work"]
        if work is not None and work["id"] not in self._work:
            task = asyncio.create_task(self._do(work))
            self._work[work["id"]] = task
            task.add_done_callback(lambda _t: self._work.pop(work["id"], None))

    async def _do(self, item: dict[str, Any]) -> None:
        async with self._bulk_free:
            try:
                while not await self._answered(item):
                    self._bulk_link.close()
                    await asyncio.sleep(PAUSE_S * random.uniform(1, 3))  # nosec B311 # jitter
            except asyncio.CancelledError:
                # The rest of an answer may still be on its way.
                self._bulk_link.close()
                raise

    async def _answered(self, item: dict[str, Any]) -> bool:
        """Fetch what an item needs and send its answer; False if the link failed."""
        try:
            await self._answer(item)
        except OSError as error:
            sys.stderr.write(f"stub-{self._number}: {error}\n")
            self._blobs.clear()
            return False
        return True

    async def _answer(self, item: dict[str, Any]) -> None:
        timeline = Timeline()
        began = time.monotonic()
        models = {r["name"]: r["blob"] for r in item["records"] if r["kind"] == "arrays"}
        for blob in [*models.values(), item["app"]["bundle"]]:
            if blob is not None and blob["sha256"] not in self._blobs:
                timeline.bytes_down += await self._answers.fetch(
                    blob["sha256"], self._bulk_link, self._headers
                )
                self._blobs.add(blob["sha256"])
        timeline.download_s = round(time.monotonic() - began, 4)
        half = self._number % 2 == 1
        payloads = [
            (name, await self._answers.payload(item, blob["sha256"], half))
            for name, blob in models.items()
        ]
        head = _head(item["id"], [(name, len(data)) for name, data in payloads], timeline)
        digest = hashlib.sha256(head)
        for _, data in payloads:
            digest.update(data)
        await self._bulk_link.ask(
            "PUT",
            f"/api/v1/work/{item['id']}/result",
            f"{self._headers}X-Fedbed-Sha256: {digest.hexdigest()}\r\n",
            [head, *(data for _, data in payloads)],
        )


def _head(item: str, payloads: list[tuple[str, int]], timeline: Timeline) -> bytes:
    """Return an envelope's bytes up to its payloads."""
    records: list[dict[str, Any]] = [
        {"name": name, "kind": "arrays", "payload": name} for name, _ in payloads
    ]
    metrics = {"num-examples": 1, "train_loss": 0.0}
    records.append({"name": "metrics", "kind": "metrics", "values": metrics})
    meta = {
        "item": item,
        "records": records,
        "payloads": [{"name": name, "bytes": size} for name, size in payloads],
        "error": None,
        "timeline": unparse(timeline),
    }
    text = json.dumps(meta).encode()
    return envelope.MAGIC + struct.pack("<I", len(text)) + text


def _halved(model: bytes, profile: str, compressor: str) -> bytes:
    arrays = codec.decode(model)
    half = {
        name: value * value.dtype.type(0.5) if np.issubdtype(value.dtype, np.floating) else value
        for name, value in arrays.items()
    }
    return codec.encode(half, profile, compressor)


def _keep_latest(cache: dict[Any, Any]) -> None:
    while len(cache) > BLOBS_KEPT:
        del cache[next(iter(cache))]


async def serve(url: str, nodes: int) -> None:
    """Serve `nodes` stubs until standard input closes."""
    parts = urlsplit(url)
    answers = Answers()
    stubs = [
        Stub(number, parts.hostname or "", parts.port or 80, answers)
        for number in range(1, nodes + 1)
    ]
    tasks = [asyncio.create_task(stub.serve()) for stub in stubs]
    await asyncio.to_thread(_until_end_of_input)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def running(url: str, nodes: int, log: Path | None = None) -> Iterator[Fleet]:
    """Have a fleet of stubs in a process of its own, until the block ends."""
    with contextlib.ExitStack() as stack:
        out: Any = subprocess.DEVNULL
        if log is not None:
            out = stack.enter_context(log.open("wb"))
        process = subprocess.Popen(  # nosec B603 # this very module
            [sys.executable, "-m", "benchmarks.stubs", "--coordinator", url, "--nodes", str(nodes)],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=out,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Fleet(process.pid, float(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait()
            process.stdout.close()


@dataclass(frozen=True)
class Fleet:
    """A process of stubs; `began` is when it began to connect, in monotonic seconds."""

    pid: int
    began: float


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and serve; says on standard output when it begins to connect."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stubs", description=__doc__)
    parser.add_argument("--coordinator", required=True, metavar="URL")
    parser.add_argument("--nodes", required=True, type=int)
    args = parser.parse_args(argv)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < CONNECTIONS * args.nodes + SPARE_FILES:
        sys.stderr.write(
            f"{args.nodes} stubs need {CONNECTIONS * args.nodes + SPARE_FILES} open files, and "
            f"{hard} are allowed here: raise the hard limit (`ulimit -Hn`)\n"
        )
        return 2
    sys.stdout.write(f"{time.monotonic()}\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop()) as runner:
        runner.run(serve(args.coordinator, args.nodes))
    return 0


def _loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the faster event loop where it is installed, as the coordinator does."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _until_end_of_input() -> None:
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    sys.exit(main())
