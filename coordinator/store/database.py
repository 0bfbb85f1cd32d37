"""The database behind one writer thread that commits in groups.

Event-loop code awaits `write`; all writes that queue up while one transaction is being synced to
disk share the next one, so a thousand nodes that answer at once cost a few fsyncs, not a thousand.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Executable, create_engine, event
from sqlalchemy.orm import Session

from coordinator.store.tables import Base
from fedbed.disk import sync_folder
from fedbed.errors import FedbedError

Result = TypeVar("Result")
GROUP_LIMIT = 1024
log = logging.getLogger("fedbed.store")


@dataclass(frozen=True)
class Row:
    """A statement for one row; `folder` is synced before the row is committed."""

    statement: Executable
    values: dict[str, Any]
    folder: Path | None = None


_Change = Callable[[Session], Any] | Row
_Job = tuple[_Change, "Future[Any]"]


class Database:
    """Open with `start`, close with `stop`; the constructor does nothing."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    @classmethod
    def in_folder(cls, folder: Path) -> Database:
        """A SQLite database file in `folder`."""
        return cls(f"sqlite:///{folder / 'fedbed.sqlite'}")

    def start(self) -> None:
        """Connect, make missing tables, start the writer."""
        self._engine = create_engine(self._url)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _tune_sqlite)
        Base.metadata.create_all(self._engine)
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
        """Run `change` in the next transaction; returns its result once that is on disk."""
        return await asyncio.wrap_future(self._submit(change))

    async def write_row(self, row: Row) -> None:
        """Like `write`, for one of very many: rows of one statement that queue up go as one."""
        await asyncio.wrap_future(self._submit(row))

    def note(self, change: Callable[[Session], Any] | Row) -> None:
        """Like `write`, without waiting: for what a crash may lose (events, for instance)."""
        self._submit(change)

    def read(self, question: Callable[[Session], Result]) -> Result:
        """Answer a question from committed data; call from any thread."""
        with Session(self._engine) as session:
            return question(session)

    def _submit(self, change: _Change) -> Future[Any]:
        future: Future[Any] = Future()
        if self._thread is None:
            # Nobody would ever answer: better an error than a wait without end.
            future.set_exception(FedbedError("the coordinator is stopping; nothing was written"))
        else:
            self._jobs.put((change, future))
        return future

    def _serve(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            group = [job]
            while len(group) < GROUP_LIMIT:
                try:
                    following = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    self._jobs.put(None)
                    break
                group.append(following)
            # From here on a waiter can't cancel any more: an answer always finds its future open.
            self._commit([job for job in group if job[1].set_running_or_notify_cancel()])

    def _commit(self, group: list[_Job]) -> None:
        """One transaction for the group; if it fails, one each, so that only the culprit fails."""
        try:
            with Session(self._engine) as session:
                results = _run(session, [change for change, _ in group])
                for folder in {c.folder for c, _ in group if isinstance(c, Row) and c.folder}:
                    sync_folder(folder)
                session.commit()
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits it
            if len(group) == 1:
                log.warning("a change was not written: %s", error)
                group[0][1].set_exception(error)
                return
            for job in group:
                self._commit([job])
            return
        for (_, future), result in zip(group, results, strict=True):
            future.set_result(result)


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


def _tune_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # WAL lets readers go on beside the writer; FULL syncs each commit: an acknowledged update
    # survives a power cut.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()
