"""The fleet in memory: members, their contact and what they last said of themselves."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from coordinator.access import tokens
from coordinator.fleet.contact import Contact
from fedbed.errors import NameTaken, NotAdmitted, NotFound, Refused
from fedbed.link.messages import JoinRequest, NodeCost, NodeProfile
from fedbed.logs import printable

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass
class Member:
    """One node."""

    id: str
    name: str
    key_sha256: str = field(repr=False)
    token_sha256: str = field(repr=False)
    profile: NodeProfile
    labels: dict[str, str]
    compressors: list[str]
    apps_allowed: bool
    contact: Contact = field(default_factory=Contact)
    has_polled: bool = False
    drained: bool = False
    drained_itself: bool = False
    """Whether that was its own wish, which it may take back."""
    set_aside: str = ""
    """Why it is drained, if the coordinator did that."""
    offences: int = 0
    """Since it was last forgiven."""
    uploading: int = 0
    cost: NodeCost = field(default_factory=NodeCost)
    progress: float = 0.0
    trouble: str = ""
    """What keeps it from its work, in its own words."""
    live: bool = False
    """Contact as last announced; the service compares it with the clock."""


class Fleet:
    """All nodes that ever joined. Nothing here does I/O; the clock comes in as a number."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._by_token: dict[str, str] = {}
        self._by_name: dict[str, str] = {}

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    def restore(self, members: Iterable[Member]) -> None:
        """Take over what the database remembers; everybody is offline until they poll."""
        for member in members:
            self._enter(member)

    def knows(self, key: str) -> bool:
        """Whether the node with this key is on the books."""
        return self.by_key(key) is not None

    def join(self, request: JoinRequest, now: float) -> tuple[Member, str]:
        """Admit a node; returns it with a fresh token.

        The same key is the same node. NameTaken if another key holds the name, Refused for a name
        or key that is malformed, or no compressor.
        """
        self.would_take(request.name, request.key)
        if not request.compressors:
            raise Refused("a node names at least one compressor (zlib is always there)")
        _make_printable(request)
        node_id = _id(request.key)
        token = secrets.token_urlsafe(32)
        known = self._members.get(node_id)
        if known is not None:
            if not self._is(known, request.key):
                raise Refused("another key has this node's id: remove node.key, for a new one")
            self._strike(known)
        member = Member(
            id=node_id,
            name=request.name,
            key_sha256=tokens.digest(request.key),
            token_sha256=tokens.digest(token),
            profile=request.profile,
            labels=request.labels,
            compressors=request.compressors,
            apps_allowed=request.apps_allowed,
            contact=known.contact if known else Contact(),
            drained=known.drained if known else False,
            drained_itself=known.drained_itself if known else False,
            set_aside=known.set_aside if known else "",
            offences=known.offences if known else 0,
            live=known.live if known else False,
        )
        member.contact.heard(now)
        self._enter(member)
        return member, token

    def would_take(self, name: str, key: str) -> None:
        """Raise what `join` would for this name and key."""
        if not _NAME.fullmatch(name):
            raise Refused("a node's name holds letters, digits, '.', '_' and '-' only, 63 at most")
        if not _KEY.fullmatch(key):
            raise Refused("a node's key is 64 hex digits")
        holder = self.by_name(name)
        if holder is not None and not self._is(holder, key):
            raise NameTaken(
                f"another node is called '{name}': choose another --name, or remove the old one "
                f"with `fedbed nodes remove {name}`"
            )

    def by_key(self, key: str) -> Member | None:
        """Return the node with this key; None if it isn't on the books."""
        known = self._members.get(_id(key))
        return known if known is not None and self._is(known, key) else None

    def forget(self, node_id: str) -> None:
        """Remove a node; its token is void at once."""
        self._strike(self.get(node_id))

    def has(self, node_id: str) -> bool:
        """Whether a node is on the books."""
        return node_id in self._members

    def get(self, node_id: str) -> Member:
        """Return a node; NotFound if it never joined or was removed."""
        if node_id not in self._members:
            raise NotFound(f"there is no node '{node_id}'")
        return self._members[node_id]

    def current(self, member: Member) -> Member | None:
        """Return the node as it last joined; None if it was removed."""
        return self._members.get(member.id)

    def is_current(self, member: Member) -> bool:
        """Whether this is the node as it last joined, not an earlier incarnation of it."""
        return self._members.get(member.id) is member

    def find(self, name_or_id: str) -> Member:
        """Return a node by name or id; NotFound names those that there are."""
        found = self.by_name(name_or_id) or self._members.get(name_or_id)
        if found is None:
            names = ", ".join(sorted(m.name for m in self._members.values())[:10]) or "none"
            raise NotFound(f"there is no node '{name_or_id}' (known: {names})")
        return found

    def by_name(self, name: str) -> Member | None:
        """Return the node of that name."""
        return self._members.get(self._by_name.get(name, ""))

    def by_token(self, token: str) -> Member:
        """Return the node that holds a token; NotAdmitted if it is nobody's."""
        node_id = self.holder(token)
        if node_id is None:
            raise NotAdmitted("this node's credential is not valid here: it has to join again")
        return self._members[node_id]

    def holder(self, token: str) -> str | None:
        """Return the id of the node that holds a token; None if it is nobody's."""
        return self._by_token.get(tokens.digest(token))

    @staticmethod
    def _is(member: Member, key: str) -> bool:
        # By the whole hash: ids are seen by everybody, and short enough to search for.
        return member.key_sha256 == tokens.digest(key)

    def _enter(self, member: Member) -> None:
        self._members[member.id] = member
        self._by_token[member.token_sha256] = member.id
        self._by_name[member.name] = member.id

    def _strike(self, member: Member) -> None:
        del self._members[member.id]
        self._by_token.pop(member.token_sha256, None)
        self._by_name.pop(member.name, None)


def _make_printable(request: JoinRequest) -> None:
    """Escape what a terminal would obey, in all that a node says of itself."""
    profile = request.profile
    profile.machine, profile.system = printable(profile.machine), printable(profile.system)
    profile.python, profile.agent = printable(profile.python), printable(profile.agent)
    profile.packages = {printable(k): printable(v) for k, v in profile.packages.items()}
    request.labels = {printable(k): printable(v) for k, v in request.labels.items()}


def _id(key: str) -> str:
    return "n-" + tokens.digest(key)[:12]
