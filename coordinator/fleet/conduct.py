"""What nodes were refused, and what follows: their records, and being set aside."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from coordinator.fleet import offences
from coordinator.fleet.fleet import Fleet, Member
from coordinator.fleet.offences import Refusal
from coordinator.live import Live
from coordinator.store import tables
from coordinator.store.database import Database

log = logging.getLogger("fedbed.fleet")
KEPT = 200
"""Refusals that are kept of each node: one that sends rubbish must not fill the disk."""
SHOWN = 50
TEXT_CHARS = 500


class Conduct:
    """Takes refusals in. `on_set_aside(member)` is called when a node gets no more work."""

    def __init__(self, database: Database, fleet: Fleet, live: Live, most: int) -> None:
        self._database = database
        self._fleet = fleet
        self._live = live
        self._most = most
        self.on_set_aside: Callable[[Member], None] = lambda _member: None

    def refused(self, refusal: Refusal, counts: bool, once: bool = False) -> None:
        """Enter a refusal in its node's record; if it `counts` as an offence, draw consequences.

        once: the same kind of refusal of the same item is not entered again.
        """
        if not self._fleet.has(refusal.node) or (once and self._knows(refusal)):
            return
        member = self._fleet.get(refusal.node)
        self._database.note(lambda session: _enter(session, refusal, counts, time.time()))
        if not counts:
            return
        member.offences += 1
        which = offences.counted(member.offences, self._most)
        said = f"{member.name}: {which}: {refusal.text}"
        self._live.say(said[:TEXT_CHARS], run=refusal.run, node=member.id, fault=True)
        log.warning("%s", said)
        if offences.sets_aside(member.offences, self._most) and not member.set_aside:
            member.drained, member.drained_itself = True, False
            member.set_aside = offences.reason(member.offences, refusal.text)[:TEXT_CHARS]
            self._live.say(f"{member.name} is {member.set_aside}", node=member.id, fault=True)
            self.on_set_aside(member)
        self.keep(member)

    async def run_is_over(self, run: str) -> bool:
        """Forgive its nodes what they did because its experiment asked them to.

        Returns whether one that was set aside for it takes work again.
        """
        forgiven = await self._database.write(lambda session: _forgive(session, run))
        is_back = False
        for node, count in forgiven.items():
            if not self._fleet.has(node):
                continue
            member = self._fleet.get(node)
            member.offences = max(0, member.offences - count)
            text = f"{member.name} did as the experiment asked, and is forgiven"
            if member.set_aside and not offences.sets_aside(member.offences, self._most):
                member.drained, member.set_aside, is_back = False, "", True
                text += ": it takes work again"
            self._live.say(text, run=run, node=node)
            self.keep(member)
        return is_back

    def keep(self, member: Member) -> None:
        """Write down whether a node gets work, and why not."""
        standing = (member.drained, member.drained_itself, member.set_aside, member.offences)

        def store(session: Session) -> None:
            row = session.get(tables.Node, member.id)
            if row is not None:
                row.drained, row.drained_itself, row.set_aside, row.offences = standing

        self._database.note(store)

    async def record(self, member: Member) -> dict[str, Any]:
        """Return a node's latest refusals and the runs that it took part in, newest first."""
        # By the writer, behind all that is on its way into the database.
        return await self._database.write(lambda session: _record(session, member.id))

    def _knows(self, refusal: Refusal) -> bool:
        wanted = {"node": refusal.node, "item": refusal.item, "kind": refusal.kind}
        return self._database.read(
            lambda s: s.query(tables.Offence).filter_by(**wanted).first() is not None
        )


def _enter(session: Session, refusal: Refusal, counts: bool, at: float) -> None:
    session.add(
        tables.Offence(
            node=refusal.node,
            run=refusal.run,
            item=refusal.item[:160],
            at=at,
            kind=refusal.kind,
            text=refusal.text[:TEXT_CHARS],
            counts=counts,
            asked_for=refusal.asked_for,
        )
    )
    session.flush()
    mine = select(tables.Offence.id).where(tables.Offence.node == refusal.node)
    oldest = mine.order_by(tables.Offence.id.desc()).limit(1).offset(KEPT).scalar_subquery()
    session.execute(
        delete(tables.Offence).where(
            tables.Offence.node == refusal.node, tables.Offence.id <= oldest
        )
    )


def _forgive(session: Session, run: str) -> dict[str, int]:
    """Return how many offences of each node no longer count."""
    rows = session.query(tables.Offence).filter_by(run=run, asked_for=True, counts=True).all()
    for row in rows:
        row.counts = False
    return Counter(row.node for row in rows)


def _record(session: Session, node: str) -> dict[str, Any]:
    rows = session.query(tables.Offence).filter_by(node=node).order_by(tables.Offence.id.desc())
    mine = session.query(tables.Work.run).filter_by(node=node).distinct()
    runs = session.query(tables.Run).where(tables.Run.id.in_(mine))
    return {
        "refusals": [
            {
                "at": row.at,
                "run": row.run,
                "item": row.item,
                "kind": row.kind,
                "text": row.text,
                "counts": row.counts,
                "asked_for": row.asked_for,
            }
            for row in rows.limit(SHOWN)
        ],
        "runs": [
            {"id": row.id, "state": row.state, "submitted_at": row.submitted_at}
            for row in runs.order_by(tables.Run.submitted_at.desc()).limit(SHOWN)
        ],
    }
