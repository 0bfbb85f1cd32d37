"""The database behind one writer thread that commits in groups.

Event-loop code awaits `write`; all writes that queue up while one transaction is being synced to
disk share the next one, so a thousand nodes that answer at once cost a few fsyncs, not a thousand.

When the disk is full a change fails with StorageFull, or, where it must not be lost, waits until
there is room again: nobody has to see to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Executable, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from coordinator.store import columns
from coordinator.store.space import ROOM_PAUSE_S
from coordinator.store.tables import Base
from fedbed.disk import is_full, sync_folder
from fedbed.errors import FedbedError, StorageFull

Result = TypeVar("Result")
GROUP_LIMIT = 1024
POSTPONED_LIMIT = 20_000
"""So many changes wait for room; what comes beyond them fails."""
_FULL = "the disk of the coordinator's state folder is full: make room there, and try again"
log = logging.getLogger("fedbed.store")


@dataclass(frozen=True)
class Row:
    """A statement for one row; `folder` is synced before the row is committed."""

    statement: Executable
    values: dict[str, Any]
    folder: Path | None = None


_Change = Callable[[Session], Any] | Row


@dataclass(frozen=True)
class _Job:
    change: _Change
    future: Future[Any]
    patient: bool
    """Whether it waits for room where the disk is full."""


class Database:
    """Open with `start`, close with `stop`; the constructor does nothing."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._postponed: list[_Job] = []
        """Changes that wait for room, in their order."""

    @classmethod
    def in_folder(cls, folder: Path) -> Database:
        """A SQLite database file in `folder`."""
        return cls(f"sqlite:///{folder / 'fedbed.sqlite'}")

    def start(self) -> None:
        """Connect, make missing tables and columns, start the writer."""
        self._engine = create_engine(self._url)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _tune_sqlite)
        Base.metadata.create_all(self._engine)
        with self._engine.begin() as connection:
            columns.add_missing(connection, Base.metadata)
        self._thread = threading.Thread(target=self._serve, name="database")
        self._thread.start()

    def stop(self) -> None:
        """Commit what is queued, then close."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            thread.join()
            self._engine.dispose()

    async def write(self, change: Callable[[Session], Result]) -> Result:
        """Run `change` in the next transaction; returns its result once that is on disk.

        Raises StorageFull, and has written nothing, where the disk is full.
        """
        return await asyncio.wrap_future(self._submit(change, patient=False))

    async def write_patiently(self, change: Callable[[Session], Result]) -> Result:
        """Like `write`; where the disk is full it waits until there is room."""
        return await asyncio.wrap_future(self._submit(change, patient=True))

    async def write_row(self, row: Row) -> None:
        """Like `write_patiently`, for one of very many: neighbours of one statement go as one."""
        await asyncio.wrap_future(self._submit(row, patient=True))

    def note(self, change: Callable[[Session], Any] | Row) -> None:
        """Like `write_patiently`, without waiting: for what a crash may lose (events, say)."""
        self._submit(change, patient=True)

    def read(self, question: Callable[[Session], Result]) -> Result:
        """Answer a question from committed data; call from any thread."""
        with Session(self._engine) as session:
            return question(session)

    @property
    def is_waiting(self) -> bool:
        """Whether changes wait for room."""
        return bool(self._postponed)

    def _submit(self, change: _Change, patient: bool) -> Future[Any]:
        future: Future[Any] = Future()
        if self._thread is None:
            # Nobody would ever answer: better an error than a wait without end.
            future.set_exception(FedbedError("the coordinator is stopping; nothing was written"))
        else:
            self._jobs.put(_Job(change, future, patient))
        return future

    def _serve(self) -> None:
        going_on = True
        while going_on:
            group: list[_Job] = []
            # Empty when it is time to look whether there is room for what was postponed.
            with contextlib.suppress(queue.Empty):
                going_on = self._gather(group, ROOM_PAUSE_S if self._postponed else None)
            # From here on a waiter can't cancel any more: an answer always finds its future open.
            fresh = [job for job in group if job.future.set_running_or_notify_cancel()]
            waiting, self._postponed = self._postponed, []
            if waiting or fresh:
                self._commit(waiting + fresh)
        for job in self._postponed:
            job.future.set_exception(StorageFull(_FULL))

    def _gather(self, group: list[_Job], timeout_s: float | None) -> bool:
        """Fill a group with what has queued up; returns False once `stop` is among it."""
        job = self._jobs.get(timeout=timeout_s)
        while job is not None:
            group.append(job)
            if len(group) >= GROUP_LIMIT:
                return True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return True
        return False

    def _commit(self, group: list[_Job]) -> None:
        """One transaction for the group; if it fails, one each, so that only the culprit fails."""
        try:
            with Session(self._engine) as session:
                changes = [job.change for job in group]
                results = _run(session, changes)
                for folder in {c.folder for c in changes if isinstance(c, Row) and c.folder}:
                    sync_folder(folder)
                session.commit()
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits it
            if _is_full(error):
                self._postpone(group)
            elif len(group) == 1:
                log.warning("a change was not written: %s", error)
                group[0].future.set_exception(error)
            else:
                for job in group:
                    self._commit([job])
            return
        for job, result in zip(group, results, strict=True):
            job.future.set_result(result)

    def _postpone(self, group: list[_Job]) -> None:
        for job in group:
            if job.patient and len(self._postponed) < POSTPONED_LIMIT:
                self._postponed.append(job)
            else:
                job.future.set_exception(StorageFull(_FULL))


def _run(session: Session, changes: list[_Change]) -> list[Any]:
    """Carry out changes in their order, neighbouring rows of one statement together."""
    results: list[Any] = []
    for statement, neighbours in itertools.groupby(changes, _statement):
        if statement is None:
            results += [change(session) for change in neighbours if not isinstance(change, Row)]
            session.flush()
        else:
            values = [row.values for row in neighbours if isinstance(row, Row)]
            session.connection().execute(statement, values)
            results += [None] * len(values)
    return results


def _statement(change: _Change) -> Executable | None:
    return change.statement if isinstance(change, Row) else None


def _is_full(error: Exception) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.OperationalError):
        return cause.sqlite_errorcode == sqlite3.SQLITE_FULL
    return cause is not None and is_full(cause)


def _tune_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # WAL lets readers go on beside the writer; FULL syncs each commit: an acknowledged update
    # survives a power cut.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()
