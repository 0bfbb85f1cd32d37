"""Tables of the coordinator's database. SQLite by default; another database is a URL away."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Float, Index, Integer, String, Text, false
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Common base of all tables."""


class Node(Base):
    """A node that has joined at least once. Key and token are kept as SHA-256 only."""

    __tablename__ = "nodes"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    profile: Mapped[dict[str, Any]] = mapped_column(JSON)
    labels: Mapped[dict[str, Any]] = mapped_column(JSON)
    compressors: Mapped[list[str]] = mapped_column(JSON)
    apps_allowed: Mapped[bool]
    joined_at: Mapped[float] = mapped_column(Float)
    drained: Mapped[bool] = mapped_column(default=False, server_default=false())
    drained_itself: Mapped[bool] = mapped_column(default=False, server_default=false())
    set_aside: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Why the coordinator gives it no more work; empty if it does, or an operator said so."""
    offences: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    """Since it was last forgiven."""


class Offence(Base):
    """Something of a node's that was refused; `counts` if it was the node's offence.

    asked_for: the experiment had asked the node to send such; it counts until the run ends.
    """

    __tablename__ = "offences"
    __table_args__ = (Index("offences_of_node", "node", "id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    node: Mapped[str] = mapped_column(String(32))
    run: Mapped[str] = mapped_column(String(96))
    item: Mapped[str] = mapped_column(String(160))
    at: Mapped[float] = mapped_column(Float)
    kind: Mapped[str] = mapped_column(String(32))
    text: Mapped[str] = mapped_column(Text)
    counts: Mapped[bool]
    asked_for: Mapped[bool] = mapped_column(default=False, server_default=false())


class Enrolment(Base):
    """An enrolment token, kept as SHA-256 only."""

    __tablename__ = "enrolments"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    label: Mapped[str] = mapped_column(String(200))
    made_by: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[float] = mapped_column(Float)
    expires_at: Mapped[float] = mapped_column(Float)
    uses: Mapped[int] = mapped_column(Integer)
    names: Mapped[list[str]] = mapped_column(JSON)
    used_by: Mapped[list[str]] = mapped_column(JSON)
    revoked: Mapped[bool]


class Person(Base):
    """A person or script with access; the token is kept as SHA-256 only."""

    __tablename__ = "people"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    made_by: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[float] = mapped_column(Float)
    expires_at: Mapped[float | None] = mapped_column(Float)


class Run(Base):
    """A run, from submission to its end."""

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(String(96), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    """The run's number inside Flower (63 bit)."""
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    spec: Mapped[dict[str, Any]] = mapped_column(JSON)
    roster: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Partition (as text) -> node id."""
    submitted_at: Mapped[float] = mapped_column(Float)
    started_at: Mapped[float | None] = mapped_column(Float)
    ended_at: Mapped[float | None] = mapped_column(Float)
    error_code: Mapped[str] = mapped_column(String(32), default="")
    error: Mapped[str] = mapped_column(Text, default="")
    summary: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """What the run had to show when it ended."""
    starts: Mapped[int] = mapped_column(Integer, default=0)
    """How often the run's process was started; more than one means that it was resumed."""


class Work(Base):
    """One work item; `state` is open, done, failed or cancelled."""

    __tablename__ = "work"
    __table_args__ = (Index("work_of_run", "run", "state"),)

    id: Mapped[str] = mapped_column(String(160), primary_key=True)
    run: Mapped[str] = mapped_column(String(96))
    node: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    fingerprint: Mapped[str] = mapped_column(String(64))
    """What was asked, hashed: a result is reused after a restart only for the same question."""
    tries: Mapped[int] = mapped_column(Integer, default=0)
    file: Mapped[str] = mapped_column(String(255), default="")
    sha256: Mapped[str] = mapped_column(String(64), default="")
    bytes_up: Mapped[int] = mapped_column(BigInteger, default=0)
    timeline: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    reason: Mapped[str] = mapped_column(Text, default="")
    former: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    """Nodes that it was asked of before another took their place."""


class Round(Base):
    """One closed round of a run."""

    __tablename__ = "rounds"

    run: Mapped[str] = mapped_column(String(96), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    summary: Mapped[dict[str, Any]] = mapped_column(JSON)


class Event(Base):
    """What happened, for people: one sentence per row."""

    __tablename__ = "events"
    __table_args__ = (Index("events_of_run", "run"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[float] = mapped_column(Float)
    run: Mapped[str] = mapped_column(String(96), default="")
    node: Mapped[str] = mapped_column(String(32), default="")
    text: Mapped[str] = mapped_column(Text)
