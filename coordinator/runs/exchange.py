"""Work out to nodes and results in, durably: what is acknowledged is on disk.

A run's process hears of a result as soon as it has been checked, its node only when it is on disk:
the round goes on meanwhile. Should the power fail in between, the node still holds the result.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, insert, update
from sqlalchemy.orm import Session

from coordinator.fleet import offences
from coordinator.fleet.fleet import Member
from coordinator.fleet.offences import Refusal
from coordinator.runs import answers
from coordinator.runs.arrivals import Announced, Arrivals
from coordinator.runs.board import Board, Open
from coordinator.runs.upload import Upload
from coordinator.runs.window import Rules
from coordinator.store import tables
from coordinator.store.database import Database, Row
from coordinator.store.space import unkept
from fedbed.codec import ArraySpec
from fedbed.errors import NotFound, PayloadError, Refused
from fedbed.link import envelope
from fedbed.link.messages import WorkItem, parse

log = logging.getLogger("fedbed.runs")
SPOOL = "spool"
TASK = "task"
"""The kind of app that is a native task."""
META_ALLOWANCE = 1024 * 1024
ORPHAN_BYTES = 1024 * 1024 * 1024
"""Limit for results of items whose run has not come back yet after a restart."""
RETRY_S = 6.0
"""A node whose result couldn't be kept has tried again by then."""
IDS_AT_ONCE = 500
"""Databases limit the number of values in one question."""
_WORK = tables.Base.metadata.tables[tables.Work.__tablename__]
_DONE = (
    update(_WORK)
    .where(_WORK.c.id == bindparam("item"))
    .values(
        state="done",
        **{name: bindparam(name) for name in ("file", "sha256", "bytes_up", "timeline")},
    )
)
_INSERT = insert(_WORK)
_CANCELLED = (
    update(_WORK)
    .where(_WORK.c.id == bindparam("item"), _WORK.c.state == "open")
    .values(state="cancelled")
)
OnReply = Callable[[str, dict[str, Any]], None]
OnRefused = Callable[[Refusal, bool, bool], None]


@dataclass(frozen=True)
class Arrived:
    """A result file that passed all checks."""

    item: str
    path: Path
    size: int
    sha256: str
    meta: dict[str, Any]


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
        self._doubtful: dict[str, dict[str, Refusal]] = {}
        """Window -> item -> what honest nodes do too, if the training diverges on most of them."""
        self.on_reply: OnReply = lambda _run, _message: None
        self.on_refused: OnRefused = lambda _refusal, _counts, _once: None
        """Called with everything that is refused, whether it counts as an offence, and whether it
        may be known already."""

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
        rows = {item.id: _row(item, run, members[item.partition].id) for item in items}
        for item in items:
            item.question = rows[item.id]["fingerprint"]
        earlier = await self._database.write_patiently(lambda s: _reopen(s, rows))
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
            if known is not None and await asyncio.to_thread(_still_good, Path(known.file), entry):
                answered.append(known)
        rules = Rules(
            quorum=int(request["quorum"]),
            enough=int(request["enough"]),
            deadline_s=float(request["deadline_s"]),
            rejoin_grace_s=float(request["rejoin_grace_s"]),
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
                    self._doubt(entry, error)
                    again = offences.mends(error.kind)
                    await self._settle_failure(entry, f"refused: {error}", again=again)
                self._judge(entry, error)
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
        limit = _limit(entry)
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
            check=lambda part: _verify(part, entry, hashed=True),
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
        if entry.window:
            self._tell(entry.run, entry.window, item, arrived.path, arrived.size, upload_s)
        self._board.done(item)

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
            self.on_refused(Refusal(entry.node, entry.run, entry.id, "late", text), False, False)
            raise Refused(text)
        arrived.path.unlink(missing_ok=True)
        bytes_down = (arrived.meta.get("timeline") or {}).get("bytes_down", 0)
        reason = str(arrived.meta.get("error"))[:500]
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
                self.on_refused(Refusal(member.id, run, item, "unasked", text), True, False)
            raise NotFound(text)
        if row.state == "done" and row.sha256 == sha256:
            return "repeated"
        text = f"{item}: its round has closed"
        kind = "duplicate" if row.state == "done" else "late"
        self.on_refused(Refusal(member.id, run, item, kind, text), False, False)
        raise Refused(text)

    def _doubt(self, entry: Open, error: PayloadError) -> None:
        """Put off the judgement on what may be the experiment's fault, until the window closes."""
        if entry.window and offences.may_be_shared(error.kind):
            refusal = Refusal(entry.node, entry.run, entry.id, error.kind, f"refused: {error}")
            self._doubtful.setdefault(entry.window, {})[entry.id] = refusal

    def _judge(self, entry: Open, error: PayloadError) -> None:
        if offences.may_be_shared(error.kind):
            return
        of_task = entry.item is not None and entry.item.app.kind == TASK
        refusal = Refusal(entry.node, entry.run, entry.id, error.kind, f"refused: {error}")
        self.on_refused(refusal, offences.is_offence(error.kind, of_task), False)

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
        doubtful = self._doubtful.pop(window, {})
        shared = offences.is_shared(len(doubtful), asked)
        for refusal in doubtful.values():
            self.on_refused(refusal, not shared, False)

    def forget(self, run: str) -> None:
        """A run is over: windows of it that are still open close no more."""
        for window in [w for w in self._doubtful if w.rsplit(".", 1)[0] == run]:
            del self._doubtful[window]

    def refused_later(self, run: str, message: dict[str, Any]) -> None:
        """The run's process has refused a result that had passed the checks at the door.

        After a restart it comes to the same results again, and says the same of them.
        """
        item, kind, text = (str(message[key]) for key in ("item", "kind", "text"))
        row = self._database.read(lambda s: s.get(tables.Work, item))
        if row is not None:
            self.on_refused(Refusal(row.node, run, item, kind, text), bool(message["counts"]), True)


def _limit(entry: Open) -> int:
    """Largest envelope that is read for an item."""
    return (entry.item.max_bytes if entry.item else ORPHAN_BYTES) + META_ALLOWANCE


def _verify(path: Path, entry: Open, hashed: bool) -> dict[str, Any]:
    """Check an envelope against what was asked, array by array; returns its meta data.

    hashed: the file's bytes are known to be those that the node wrote.
    """
    result = envelope.Envelope.open(path, _limit(entry))
    meta: dict[str, Any] = result.meta
    if meta.get("item") != entry.id:
        text = f"{entry.id}: the result says that it belongs to {str(meta.get('item'))[:160]!r}"
        raise PayloadError(text, "wrong-item")
    if entry.item is not None and meta.get("question") not in (None, entry.item.question):
        # What a node held when the run went back to an earlier checkpoint, for instance.
        raise Refused(f"{entry.id}: the result answers what was asked before, not what is now")
    if meta.get("error"):
        return meta
    answers.check(meta, result.names)
    specs = None if entry.expect is None else [ArraySpec(n, d, s) for n, d, s in entry.expect]
    if specs is not None and len(result.names) != 1:
        text = f"{entry.id}: {len(result.names)} array records came, 1 expected"
        raise PayloadError(text, "shape")
    sent = _sent(entry)
    for record in meta["records"]:
        if record["kind"] == "arrays":
            with result.payload(record["payload"]) as payload:
                base = payload.needs_reference
                if sent is not None and base is not None and base != sent.get(record["name"]):
                    text = f"{entry.id}: a difference to another model than was sent"
                    raise PayloadError(text, "wrong-reference")
                payload.verify(specs, finite=entry.finite, hashed=hashed)
    return meta


def _sent(entry: Open) -> dict[str, str] | None:
    """Return the hash of each record of arrays that went to the node; None if nobody knows."""
    if entry.item is None:
        return None
    return {r.name: r.blob.sha256 for r in entry.item.records if r.blob is not None}


def _still_good(path: Path, entry: Open) -> bool:
    """Whether a result of an earlier life is what is asked for now.

    It may have come while nobody knew what to expect, and its disk may have failed since.
    """
    try:
        return not _verify(path, entry, hashed=False).get("error")
    except (OSError, PayloadError, Refused) as error:
        log.warning("%s is asked for again: %s", entry.id, error)
        return False


def _row(item: WorkItem, run: str, node: str) -> dict[str, Any]:
    """Return the row of an item that is put out."""
    question = dict(vars(item), message=None, seconds_left=None, question=None)
    text = json.dumps(question, sort_keys=True, default=vars).encode()
    fingerprint = hashlib.sha256(text).hexdigest()
    return {"id": item.id, "run": run, "node": node, "state": "open", "fingerprint": fingerprint}


def _reopen(session: Session, rows: dict[str, dict[str, Any]]) -> dict[str, tables.Work]:
    """Insert the items as open; return those that are done already, for the same question."""
    done: dict[str, tables.Work] = {}
    there: dict[str, tables.Work] = {}
    ids = list(rows)
    for at in range(0, len(ids), IDS_AT_ONCE):
        asked = session.query(tables.Work).where(tables.Work.id.in_(ids[at : at + IDS_AT_ONCE]))
        there.update((known.id, known) for known in asked)
    for item, known in there.items():
        row = rows[item]
        if known.state == "done" and known.fingerprint == row["fingerprint"]:
            session.expunge(known)
            done[item] = known
        else:
            if known.node != row["node"]:
                known.former = [*known.former, known.node]
            known.state, known.node, known.fingerprint = "open", row["node"], row["fingerprint"]
    new = [row for item, row in rows.items() if item not in there]
    if new:
        session.connection().execute(_INSERT, new)
    return done
