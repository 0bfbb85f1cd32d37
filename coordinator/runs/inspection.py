"""Results against what was asked: read off the files that nodes send, before anybody uses them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from coordinator.runs import answers
from coordinator.runs.board import Open
from fedbed.codec import ArraySpec
from fedbed.errors import PayloadError, Refused
from fedbed.link import envelope

log = logging.getLogger("fedbed.runs")
META_ALLOWANCE = 1024 * 1024
ORPHAN_BYTES = 1024 * 1024 * 1024
"""Limit for results of items whose run has not come back yet after a restart."""


def limit_of(entry: Open) -> int:
    """Return the largest envelope that is read for an item, in bytes."""
    return (entry.item.max_bytes if entry.item else ORPHAN_BYTES) + META_ALLOWANCE


def verify(path: Path, entry: Open, hashed: bool) -> dict[str, Any]:
    """Check an envelope against what was asked, array by array; returns its meta data.

    hashed: the file's bytes are known to be those that the node wrote.
    """
    result = envelope.Envelope.open(path, limit_of(entry))
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


def still_good(path: Path, entry: Open) -> bool:
    """Whether a result of an earlier life is what is asked for now.

    It may have come while nobody knew what to expect, and its disk may have failed since.
    """
    try:
        return not verify(path, entry, hashed=False).get("error")
    except (OSError, PayloadError, Refused) as error:
        log.warning("%s is asked for again: %s", entry.id, error)
        return False
