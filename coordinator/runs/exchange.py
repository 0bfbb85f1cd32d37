"""Work out to nodes and results in, durably: what is acknowledged is on disk.

A run's process hears of a result as soon as it has been checked, its node only when it is on disk:
the round goes on meanwhile. Should the power fail in between, the node still holds the result.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, update
from sqlalchemy.orm import Session

from coordinator.fleet import offences
from coordinator.fleet.fleet import Member
from coordinator.fleet.offences import Refusal
from coordinator.runs.arrivals import Announced, Arrivals
from coordinator.runs.board import Board, Open
from coordinator.runs.inspection import limit_of, still_good, verify
from coordinator.runs.judge import Judge
from coordinator.runs.questions import reopen, row_of
from coordinator.runs.upload import Upload
from coordinator.runs.window import Pace, Rules
from coordinator.store import tables
from coordinator.store.database import Database, Row
from coordinator.store.space import unkept
from fedbed.errors import NotFound, PayloadError, Refused
from fedbed.link.messages import WorkItem, parse
from fedbed.logs import printable

log = logging.getLogger("fedbed.runs")
SPOOL = "spool"
RETRY_S = 6.0
"""A node whose result couldn't be kept has tried again by then."""
_WORK = tables.Base.metadata.tables[tables.Work.__tablename__]
_DONE = (
    update(_WORK)
    .where(_WORK.c.id == bindparam("item"))
    .values(
        state="done",
        **{name: bindparam(name) for name in ("file", "sha256", "bytes_up", "timeline")},
    )
)
_CANCELLED = (
    update(_WORK)
    .where(_WORK.c.id == bindparam("item"), _WORK.c.state == "open")
    .values(state="cancelled")
)
OnReply = Callable[[str, dict[str, Any]], None]
OnTaken = Callable[["Taken"], None]


@dataclass(frozen=True)
class Arrived:
    """A result file that passed all checks."""

    item: str
    path: Path
    size: int
    sha256: str
    meta: dict[str, Any]


@dataclass(frozen=True)
class Taken:
    """A result that its run has got, to the question `item`; open_s: since that was put."""

    item: WorkItem
    node: str
    size: int
    meta: dict[str, Any]
    upload_s: float
    open_s: float
    expect: list[tuple[str, str, tuple[int, ...]]] | None
    """Names, dtypes and shapes of its arrays, where they were known before."""


@dataclass(frozen=True)
class Settling:
    """A result of which the run knows, on its way to the disk; `end` is done either way."""

    upload: Upload
    end: asyncio.Future[None]


class Exchange:
    """Puts windows on the board and takes results off the network."""

    def __init__(self, database: Database, board: Board, runs_dir: Path) -> None:
        self._database = database
        self._board = board
        self._runs_dir = runs_dir
        self._arrivals = Arrivals()
        self._receiving: dict[str, Upload] = {}
        self._settling: dict[str, Settling] = {}
        self._refused_at = -RETRY_S
        self.judge = Judge(database)
        self.on_reply: OnReply = lambda _run, _message: None
        self.on_taken: OnTaken = lambda _taken: None

    def has_no_room(self) -> bool:
        """Whether results can't be kept, as far as is known: nodes try again every few seconds."""
        refused = asyncio.get_running_loop().time() - self._refused_at < RETRY_S
        return refused or self._database.is_waiting

    def start(self) -> None:
        """Remember the items that were open when the coordinator last stopped."""
        rows = self._database.read(
            lambda s: list(s.query(tables.Work).filter(tables.Work.state == "open"))
        )
        self._board.remember(Open(row.id, row.run, row.node, None) for row in rows)

    def folder(self, run: str) -> Path:
        """Where a run's results are spooled."""
        return self._runs_dir / run / SPOOL

    async def send(self, run: str, request: dict[str, Any], members: dict[int, Member]) -> None:
        """Open a window with the items of the run's process.

        Items that were answered in an earlier life of the run are answered from disk at once.
        """
        items = [parse(WorkItem, data) for data in request["items"]]
        expect = request.get("expect")
        specs = None if expect is None else [(n, d, tuple(s)) for n, d, s in expect]
        opens: list[Open] = []
        answered: list[tables.Work] = []
        rows = {item.id: row_of(item, run, members[item.partition].id) for item in items}
        for item in items:
            item.question = rows[item.id]["fingerprint"]
        earlier = await self._database.write_patiently(lambda s: reopen(s, rows))
        for item in items:
            node = members[item.partition].id
            entry = Open(
                id=item.id,
                run=run,
                node=node,
                item=item,
                tries_left=int(request["retries"]),
                expect=specs,
                finite=bool(request.get("finite", False)),
            )
            opens.append(entry)
            known = earlier.get(item.id)
            if known is not None and await asyncio.to_thread(still_good, Path(known.file), entry):
                answered.append(known)
        rules = Rules(
            quorum=int(request["quorum"]),
            enough=int(request["enough"]),
            deadline_s=float(request["deadline_s"]),
            rejoin_grace_s=float(request["rejoin_grace_s"]),
            pace=None if request.get("pace") is None else Pace(**request["pace"]),
        )
        names = {m.id: m.name for m in members.values()}
        window = self._board.open_window(
            str(request["window"]), run, str(request["label"]), rules, opens, names
        )
        for row in answered:
            # The window may close before the last of them, when enough are in.
            if self._board.is_open(row.id, rows[row.id]["node"]):
                self._tell(run, window.id, row.id, Path(row.file), row.bytes_up, 0.0)
                self._board.done(row.id)

    async def receive(
        self, member: Member, item: str, size: int, sha256: str, body: AsyncIterator[bytes]
    ) -> str:
        """Take in a result; returns `stored`, `repeated`, `again` (failed, will be retried) or
        `failed`.

        Of two uploads of one item the newer counts: the older one's connection may be dead without
        our knowing. Raises Refused where nobody waits for it, PayloadError where it isn't what was
        asked for; both before the body is read where they can be known by then.
        """
        if not self._board.is_open(item, member.id):
            return await self._not_open(member, item, sha256)
        entry = self._board.get(item)
        loop = asyncio.get_running_loop()
        began = loop.time()
        older = self._receiving.get(item)
        if older is not None:
            older.break_off()
        upload = self._receiving[item] = Upload(body)
        try:
            try:
                arrived = await self._spool(entry, size, sha256, upload, began)
            except PayloadError as error:
                # It counts as a failure, or a node that errs would train on this for ever.
                if self._board.is_open(item, member.id):
                    self.judge.doubt(entry, error)
                    again = offences.mends(error.kind)
                    await self._settle_failure(entry, f"refused: {error}", again=again)
                self.judge.judge(entry, error)
                raise
            except OSError as error:
                # The node keeps the result, and sends it again.
                refusal = unkept(error)
                self._refused_at = loop.time()
                self._board.hold(str(refusal))
                raise refusal from error
            if not self._is_settling(item, upload):
                return await self._settle_other(entry, arrived)
            await self._settle(arrived, loop.time() - began)
            return "stored"
        finally:
            if self._is_settling(item, upload):
                self._settling.pop(item).end.set_result(None)
            if self._receiving.get(item) is upload:
                del self._receiving[item]

    async def _spool(
        self, entry: Open, size: int, sha256: str, upload: Upload, began: float
    ) -> Arrived:
        limit = limit_of(entry)
        if size > limit:
            text = f"{entry.id}: {size} bytes announced, {limit} allowed"
            raise PayloadError(text, "too-large")
        loop = asyncio.get_running_loop()
        folder = self.folder(entry.run)

        def on_named(meta: dict[str, Any]) -> None:
            arrived = Arrived(entry.id, announced.path, size, sha256, meta)
            upload_s = loop.time() - began
            loop.call_soon_threadsafe(self._take_in, arrived, entry.node, upload, upload_s)

        announced = Announced(
            name=entry.id,
            folder=folder,
            size=size,
            sha256=sha256,
            check=lambda part: verify(part, entry, hashed=True),
            wanted=lambda: self._board.is_open(entry.id, entry.node),
            on_named=on_named,
        )
        meta = await self._arrivals.take(announced, upload)
        return Arrived(entry.id, announced.path, size, sha256, meta)

    def _take_in(self, arrived: Arrived, node: str, upload: Upload, upload_s: float) -> None:
        """Let the run have a result that isn't on disk yet."""
        item = arrived.item
        if arrived.meta.get("error") or not self._board.is_open(item, node):
            return
        self._settling[item] = Settling(upload, asyncio.get_running_loop().create_future())
        # The run may have asked anew since the upload began, or not yet after a restart.
        entry = self._board.get(item)
        open_s = self._board.open_for_s(entry.window)
        if entry.window:
            self._tell(entry.run, entry.window, item, arrived.path, arrived.size, upload_s)
        self._board.done(item)
        if entry.item is not None:
            self.on_taken(
                Taken(entry.item, node, arrived.size, arrived.meta, upload_s, open_s, entry.expect)
            )

    def _is_settling(self, item: str, upload: Upload) -> bool:
        return item in self._settling and self._settling[item].upload is upload

    async def _settle(self, arrived: Arrived, upload_s: float) -> None:
        timeline = dict(arrived.meta.get("timeline") or {}, upload_s=round(upload_s, 4))
        values = {
            "item": arrived.item,
            "file": str(arrived.path),
            "sha256": arrived.sha256,
            "bytes_up": arrived.size,
            "timeline": timeline,
        }
        await self._database.write_row(Row(_DONE, values, folder=arrived.path.parent))

    async def _settle_other(self, entry: Open, arrived: Arrived) -> str:
        """Answer for what the run didn't take: news of a failure, or what came too late."""
        if not self._board.is_open(entry.id, entry.node):
            text = f"{entry.id}: its round closed while it was being sent"
            self.judge.on_refused(
                Refusal(entry.node, entry.run, entry.id, "late", text), False, False
            )
            raise Refused(text)
        arrived.path.unlink(missing_ok=True)
        bytes_down = (arrived.meta.get("timeline") or {}).get("bytes_down", 0)
        reason = printable(str(arrived.meta.get("error"))[:500])
        return await self._settle_failure(entry, reason, bytes_down)

    async def _settle_failure(
        self, entry: Open, reason: str, bytes_down: object = 0, again: bool = True
    ) -> str:
        log.warning("%s failed: %s", entry.id, reason)
        window = self._board.get(entry.id).window
        if self._board.failed(entry.id, reason, again):
            told = {"event": "again", "window": window, "item": entry.id, "reason": reason}
            # A failed node's own figure, which nobody has checked.
            fetched = bytes_down if type(bytes_down) is int and bytes_down > 0 else 0
            self.on_reply(entry.run, dict(told, bytes_down=fetched))
            return "again"

        def store(session: Session) -> None:
            row = session.get(tables.Work, entry.id)
            if row is not None:
                row.state, row.reason = "failed", reason

        await self._database.write_patiently(store)
        return "failed"

    async def _not_open(self, member: Member, item: str, sha256: str) -> str:
        settling = self._settling.get(item)
        if settling is not None:
            await asyncio.wait([settling.end])
        run = item.rsplit(".", 2)[0]
        row, known = self._database.read(
            lambda s: (s.get(tables.Work, item), s.get(tables.Run, run) is not None)
        )
        if row is None or row.node != member.id:
            text = f"{item} was never asked of {member.name}"
            # Another has taken its place, or its spool is older than this coordinator's state.
            honest = not known if row is None else member.id in row.former
            if not honest:
                self.judge.on_refused(Refusal(member.id, run, item, "unasked", text), True, False)
            raise NotFound(text)
        if row.state == "done" and row.sha256 == sha256:
            return "repeated"
        text = f"{item}: its round has closed"
        kind = "duplicate" if row.state == "done" else "late"
        self.judge.on_refused(Refusal(member.id, run, item, kind, text), False, False)
        raise Refused(text)

    def _tell(
        self, run: str, window: str, item: str, path: Path, size: int, upload_s: float
    ) -> None:
        message = {"event": "reply", "window": window, "item": item, "file": str(path)}
        self.on_reply(run, dict(message, bytes=size, upload_s=round(upload_s, 4)))

    def close(self, window: str, items: list[str], asked: int) -> None:
        """A window of `asked` items has closed; those of `items`, which never came, are wanted no
        more.
        """
        for item in items:
            self._database.note(Row(_CANCELLED, {"item": item}))
        self.judge.window_closed(window, asked)
