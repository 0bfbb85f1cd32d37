"""Nodes as the database has them."""

from __future__ import annotations

import time

from sqlalchemy.orm import Session

from coordinator.access import service as access_service
from coordinator.access.enrolments import Enrolment
from coordinator.fleet.fleet import Member
from coordinator.store import tables
from fedbed.link.messages import NodeProfile, parse, unparse


def members(session: Session) -> list[Member]:
    """Return all that have joined and were not removed; out of contact, as far as is known."""
    return [
        Member(
            id=row.id,
            name=row.name,
            key_sha256=row.key_sha256,
            token_sha256=row.token_sha256,
            profile=parse(NodeProfile, row.profile),
            labels=row.labels,
            compressors=row.compressors,
            apps_allowed=row.apps_allowed,
            drained=row.drained,
            drained_itself=row.drained_itself,
            set_aside=row.set_aside,
            offences=row.offences,
        )
        for row in session.query(tables.Node)
    ]


def enter(session: Session, member: Member, enrolment: Enrolment | None) -> None:
    """Write down a node that has joined, and what the token that let it in is still good for.

    Its conduct is left as it stands there.
    """
    if enrolment is not None:
        access_service.save(session, enrolment)
    session.merge(
        tables.Node(
            id=member.id,
            name=member.name,
            key_sha256=member.key_sha256,
            token_sha256=member.token_sha256,
            profile=unparse(member.profile),
            labels=member.labels,
            compressors=member.compressors,
            apps_allowed=member.apps_allowed,
            joined_at=time.time(),
        )
    )


def strike(session: Session, node: str) -> None:
    """Remove a node and its record."""
    session.query(tables.Node).filter_by(id=node).delete()
    session.query(tables.Offence).filter_by(node=node).delete()
