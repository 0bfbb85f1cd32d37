"""The fleet with its clock, its open polls and its memory in the database."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from coordinator.access.service import AccessService
from coordinator.fleet import books
from coordinator.fleet.checkups import Checkups
from coordinator.fleet.conduct import Conduct
from coordinator.fleet.contact import POLL_S, busy_poll_s
from coordinator.fleet.fleet import Fleet, Member
from coordinator.fleet.offences import MAX_OFFENCES
from coordinator.fleet.state import NodeFacts, NodeState, state_of
from coordinator.live import Live
from coordinator.runs.board import Board
from coordinator.store.database import Database
from fedbed.errors import FedbedError, NodesMissing, NotAdmitted, Refused
from fedbed.link.health import CHECKUP, Checkup, HealthReport
from fedbed.link.messages import JoinReply, JoinRequest, PollReply, PollRequest
from fedbed.logs import printable

log = logging.getLogger("fedbed.fleet")
Peer = tuple[str, int]
TROUBLE_LENGTH = 200
NOTHING_TOLD = (None, False)
"""What a node assumes that has just joined: it is in no run, and not drained."""


class FleetService:
    """Joins, polls and losses. `on_change` is told of every node that comes or goes.

    max_offences: after so many of them a node is set aside; 0: never.
    """

    def __init__(
        self,
        database: Database,
        board: Board,
        live: Live,
        access: AccessService,
        max_offences: int = MAX_OFFENCES,
    ) -> None:
        self.fleet = Fleet()
        self.conduct = Conduct(database, self.fleet, live, max_offences)
        self.conduct.on_set_aside = self._set_aside
        self.checkups = Checkups()
        self._database = database
        self._access = access
        self._board = board
        self._live = live
        self._polls: dict[str, asyncio.Future[None]] = {}
        self._told: dict[str, tuple[str | None, bool]] = {}
        """Of each node: the run that it was told to take part in, and whether it is drained."""
        self._peers: dict[Peer, str] = {}
        """Which node polls over which connection, by the address at its far end."""
        self._stopping = False
        self.run_of: Callable[[str], str | None] = lambda _node: None
        self.on_change: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Remember who has joined in earlier lives."""
        self.fleet.restore(self._database.read(books.members))

    def stop(self) -> None:
        """Answer all open polls, and those to come, at once."""
        self._stopping = True
        for poll in self._polls.values():
            if not poll.done():
                poll.set_result(None)

    async def join(self, request: JoinRequest, enrolment_token: str = "") -> JoinReply:
        """Admit a node and remember it. NotAdmitted for a new one without a token that admits it.

        A token that was used is used only if the node is on the books after it.
        """
        known = self.fleet.knows(request.key)
        enrolment = None if known else self._access.admit_node(enrolment_token, request.name)
        try:
            member, token = self.fleet.join(request, self._now())
        except FedbedError:
            self._access.turn_away(enrolment, request.name)
            raise
        self.wake(member.id)
        self._told.pop(member.id, None)
        self.checkups.tell_again(member.id)
        try:
            await self._database.write(lambda s: books.enter(s, member, enrolment))
        except Exception:
            if not known and self.fleet.is_current(member):
                self._access.turn_away(enrolment, request.name)
                self.fleet.forget(member.id)
            raise
        self._announce(member)
        self._watch(member)
        return JoinReply(member.id, member.name, token, POLL_S)

    def knock(self, name: str, key: str, enrolment_token: str) -> Member | None:
        """Return the node with this key, None for one that would be let in as a new one.

        Raises what `join` would, and changes nothing.
        """
        known = self.fleet.by_key(key)
        if known is None:
            self._access.would_admit_node(enrolment_token, name)
        self.fleet.would_take(name, key)
        return known

    def leave(self, member: Member) -> None:
        """A node says goodbye; it may come back."""
        member.contact.leave(self._now())
        self._announce(member)

    async def forget(self, member: Member) -> None:
        """Remove a node from the books; its credential is void at once."""
        self.leave(member)
        self.fleet.forget(member.id)
        self.wake(member.id)
        self._told.pop(member.id, None)
        self.checkups.forget(member.id)
        await self._database.write(lambda s: books.strike(s, member.id))
        self._live.say(f"{member.name} was removed", node=member.id)
        self.on_change()

    def drain(self, member: Member, drained: bool) -> None:
        """Give a node no new work, or forgive its offences and give it work again."""
        member.drained, member.drained_itself = drained, False
        if not drained:
            member.set_aside, member.offences = "", 0
        self._standing_changed(member, "is drained" if drained else "takes work again")

    def order_checkup(self, member: Member, checkup: Checkup) -> None:
        """Have a node examine itself.

        Raises NodesMissing if it isn't in contact, Refused if its agent doesn't know how to.
        """
        if not member.contact.is_live(self._now()):
            raise NodesMissing(f"{member.name} is offline: nobody can ask it how it is")
        if CHECKUP not in member.profile.abilities:
            raise Refused(f"{member.name}'s agent is too old for check-ups: update it")
        self.checkups.ask(member.id, checkup, self._now())
        self.wake(member.id)
        self._live.changed()

    def take_health(self, member: Member, report: HealthReport) -> None:
        """Keep what a node has found of itself; raises what `Checkups.answered` does."""
        self.checkups.answered(member.id, report, self._now())
        self._live.changed()

    def health(self, member: Member) -> dict[str, Any]:
        """Describe what a node's latest check-up has found."""
        return {"name": member.name, **self.checkups.shown(member.id, self._now())}

    def rest(self, member: Member, resting: bool) -> None:
        """A node asks for no new work, or for work again.

        Refused if it asks for work that others have withheld from it.
        """
        if resting == member.drained:
            return
        if not resting and not member.drained_itself:
            raise Refused(
                f"{member.name} is {member.set_aside or 'drained by an operator'}: only an "
                f"operator can change that (`fedbed nodes resume {member.name}`)"
            )
        member.drained = member.drained_itself = resting
        said = "is drained" if resting else "takes work again"
        self._standing_changed(member, f"{said}, as it asked for itself")

    def _standing_changed(self, member: Member, said: str) -> None:
        self.conduct.keep(member)
        self._live.say(f"{member.name} {said}", node=member.id)
        self.wake(member.id)
        self.on_change()

    async def run_is_over(self, run: str) -> None:
        """Have forgiven what nodes did in a run because its experiment asked them to."""
        if await self.conduct.run_is_over(run):
            self.on_change()

    def wake(self, node: str) -> None:
        """Let a node's open poll look again."""
        poll = self._polls.get(node)
        if poll is not None and not poll.done():
            poll.set_result(None)

    def connection_lost(self, peer: Peer) -> None:
        """A connection was closed: if it carried a node's polls, the node may be dead.

        An open poll notices by itself; this is for the moment between two polls.
        """
        node = self._peers.pop(peer, None)
        if node is not None and self.fleet.has(node):
            member = self.fleet.get(node)
            member.contact.connection_lost(self._now())
            self._watch(member)

    async def poll(
        self,
        member: Member,
        request: PollRequest,
        gone: asyncio.Future[Any],
        peer: Peer | None = None,
    ) -> PollReply:
        """Hold a poll until there is something to say; `gone` ends it when the peer hangs up.

        NotAdmitted when the node was removed, or joined again, in the meantime.
        """
        loop = asyncio.get_running_loop()
        # In this order NaN comes out as 0.
        until = loop.time() + max(0.0, min(request.wait_s, POLL_S))
        self.wake(member.id)
        if peer is not None:
            self._peers[peer] = member.id
        member.contact.poll_opened(self._now())
        member.cost = request.cost
        self._note_trouble(member, request.trouble)
        member.has_polled = True
        shares = [max(0.0, min(share, 1.0)) for share in request.progress.values()]
        member.progress = max(shares, default=0.0)
        self._announce(member)
        if request.progress:
            self._live.changed()
        try:
            while True:
                poll: asyncio.Future[None] = loop.create_future()
                self._polls[member.id] = poll
                reply = self._reply(member, request)
                left = until - loop.time()
                if reply is not None or left <= 0 or self._stopping:
                    return reply or self._nothing_new(member)
                await asyncio.wait({poll, gone}, timeout=left, return_when="FIRST_COMPLETED")
                if gone.done() or self._polls.get(member.id) is not poll:
                    return self._nothing_new(member)
                if not self.fleet.is_current(member):
                    raise NotAdmitted("this node was removed, or has joined again since")
        finally:
            member.contact.poll_closed(self._now(), cut=gone.done())
            self._watch(member)

    def _note_trouble(self, member: Member, trouble: str) -> None:
        had, member.trouble = member.trouble, printable(trouble[:TROUBLE_LENGTH])
        if bool(had) != bool(trouble):
            said = member.trouble or "it goes on"
            self._live.say(f"{member.name}: {said}", node=member.id, fault=bool(trouble))

    def state(self, member: Member) -> NodeState:
        """Return a node's state as it is now."""
        run = self.run_of(member.id)
        return state_of(
            NodeFacts(
                in_contact=member.contact.is_live(self._now()),
                has_polled=member.has_polled,
                drained=member.drained,
                working=self._board.is_working(member.id),
                uploading=member.uploading > 0,
                delivered=self._board.has_delivered(run, member.id),
            )
        )

    def snapshot(self) -> list[dict[str, Any]]:
        """Describe all nodes for people and programs."""
        return [self._describe(m) for m in sorted(self.fleet, key=lambda m: m.name)]

    async def record(self, member: Member) -> dict[str, Any]:
        """Describe one node, with what it was refused lately and the runs that it took part in."""
        return {**self._describe(member), **await self.conduct.record(member)}

    def _describe(self, m: Member) -> dict[str, Any]:
        return {
            "id": m.id,
            "name": m.name,
            "state": self.state(m),
            "drained": m.drained,
            "trouble": m.trouble,
            "health": self.checkups.state(m.id, self._now()),
            "set_aside": m.set_aside,
            "offences": m.offences,
            "run": self.run_of(m.id),
            "progress": m.progress if self._board.is_working(m.id) else 0.0,
            "labels": m.labels,
            "seen_s_ago": round(self._now() - m.contact.last_seen, 1) if m.has_polled else None,
            # Not copied deeply: a thousand of these are made for each picture.
            "agent": vars(m.cost),
            "profile": vars(m.profile),
        }

    def _set_aside(self, member: Member) -> None:
        """Nobody waits for what a node was asked that gets no more work."""
        self._board.give_up(member.id, member.set_aside)
        self.on_change()

    def _reply(self, member: Member, request: PollRequest) -> PollReply | None:
        run = self.run_of(member.id)
        item = None
        if not member.drained or self._board.is_working(member.id):
            item = self._board.item_for(member.id, request.holding)
        drop = self._board.stale(member.id, request.holding)
        news = (run, member.drained)
        checkup = self.checkups.to_tell(member.id, self._now())
        if not (item or drop or checkup) and self._told.get(member.id, NOTHING_TOLD) == news:
            return None
        self._told[member.id] = news
        if item is not None:
            member.progress = 0.0
            self._live.changed()
        busy_s = busy_poll_s(len(self.fleet))
        return PollReply(POLL_S, item, drop, run, busy_s, drained=member.drained, checkup=checkup)

    def _nothing_new(self, member: Member) -> PollReply:
        run = self.run_of(member.id)
        busy_s = busy_poll_s(len(self.fleet))
        return PollReply(POLL_S, run=run, busy_poll_s=busy_s, drained=member.drained)

    def _watch(self, member: Member) -> None:
        """Look again when the node would count as lost."""
        lost_at = member.contact.lost_at
        if lost_at is not None:
            delay = max(0.0, lost_at - self._now()) + 0.01
            asyncio.get_running_loop().call_later(delay, self._announce, member)

    def _announce(self, member: Member) -> None:
        """Tell everybody if the node's contact is not what they were told last."""
        # A timer or a poll of an earlier incarnation speaks for the one that there is now.
        current = self.fleet.current(member)
        if current is None:
            return
        member = current
        live = member.contact.is_live(self._now())
        if live == member.live:
            return
        member.live = live
        if live:
            self._live.say(f"{member.name} joined", node=member.id)
            self._board.node_back(member.id)
        else:
            has_left = member.contact.left
            why = "left" if has_left else "is lost"
            self._live.say(f"{member.name} {why}", node=member.id, fault=not has_left)
            self._board.node_lost(member.id)
        log.info("%s is %s", member.name, "in contact" if live else "out of contact")
        self.on_change()

    @staticmethod
    def _now() -> float:
        return time.monotonic()
