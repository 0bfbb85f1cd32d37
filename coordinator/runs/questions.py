"""What was asked of nodes, in the database: an answer is used again for the same question only."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from coordinator.store import tables
from fedbed.link.messages import WorkItem

IDS_AT_ONCE = 500
"""Databases limit the number of values in one question."""
_INSERT = insert(tables.Base.metadata.tables[tables.Work.__tablename__])


def row_of(item: WorkItem, run: str, node: str) -> dict[str, Any]:
    """Return the row of an item that is put out."""
    question = dict(vars(item), message=None, seconds_left=None, question=None)
    text = json.dumps(question, sort_keys=True, default=vars).encode()
    fingerprint = hashlib.sha256(text).hexdigest()
    return {"id": item.id, "run": run, "node": node, "state": "open", "fingerprint": fingerprint}


def reopen(session: Session, rows: dict[str, dict[str, Any]]) -> dict[str, tables.Work]:
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
