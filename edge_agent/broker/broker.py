"""Speaks for the node at the broker: presence, state, samples, commands, its smart plug."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import ssl
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, Mapping, Optional, Sequence, Set

from edge_agent.activity import OFFLINE, Activity, Doing
from edge_agent.backoff import Backoff
from edge_agent.broker.commands import Action, Commands
from edge_agent.broker.connection import Connection, Ended, Message
from edge_agent.broker.courier import APART_S, Courier
from edge_agent.broker.settings import BrokerSettings
from edge_agent.plugs import Meter
from fedbed.errors import FedbedError
from fedbed.link import trust
from fedbed.telemetry import topics
from fedbed.telemetry.outbox import Outbox
from fedbed.telemetry.point import Point, Value

log = logging.getLogger("fedbed.agent")
STATE_EVERY_S = 10.0
STABLE_S = 10.0
GOODBYE_S = 1.5
STOP_S = 3.0
MAX_ANSWERS = 64


class Broker:
    """One thread of its own, which tries for ever. All methods return at once, but `stop`.

    about: what the node's birth message says of it. now_ns: the coordinator's clock; None before it
    is known, and what can't be dated isn't told.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        node: str,
        outbox: Outbox,
        activity: Activity,
        actions: Mapping[str, Action],
        about: Mapping[str, Any],
        now_ns: Callable[[], Optional[int]],
    ) -> None:
        self._settings = settings
        self._node = node
        self._outbox = outbox
        self._activity = activity
        self._now_ns = now_ns
        self._commands = Commands(actions, self._answer)
        self._about = {**about, "commands": self._commands.names}
        self._courier = Courier(outbox, self._topic(topics.SAMPLES))
        self._meter = Meter()
        self._answers: Deque[bytes] = deque(maxlen=MAX_ANSWERS)
        self._told_state: Optional[Doing] = None
        self._state_point_at = 0.0
        self._said: Set[str] = set()
        self._tls: Optional[ssl.SSLContext] = None
        self._state_sent_at = 0.0
        self._stopping = threading.Event()
        self._wake, self._alarm = socket.socketpair()
        self._wake.setblocking(False)
        self._alarm.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def start(self) -> None:
        """Begin to speak; samples of an earlier life go first."""
        self._outbox.open()
        self._activity.on_change = self._changed
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye, if the broker is there; what it hasn't acknowledged waits on the disk."""
        self._activity.on_change = lambda _doing: None
        self._add_state(Doing(OFFLINE))
        self._stopping.set()
        self._ring()
        # It may be waiting for a broker that doesn't answer.
        self._thread.join(STOP_S)
        self._outbox.close()
        if not self._thread.is_alive():
            self._wake.close()
            self._alarm.close()

    def deliver(self, points: Sequence[Point]) -> None:
        """Take points to be sent within seconds, or whenever the broker is there again."""
        self._outbox.add(points)

    def event(self, text: str) -> None:
        """Tell people, in one sentence, what has happened here."""
        self._add("fedbed_event", {"kind": "node"}, {"text": text})
        self._courier.hurry()
        self._ring()

    def _changed(self, doing: Doing) -> None:
        self._add_state(doing)
        self._courier.hurry()
        self._ring()

    def _answer(self, payload: bytes) -> None:
        self._answers.append(payload)
        self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            self._alarm.send(b"!")

    def _run(self) -> None:
        quick, slow = Backoff(0.5, 15.0), Backoff(5.0, 60.0)
        while not self._stopping.is_set():
            began = time.monotonic()
            will = self._presence({"online": False, "reason": "lost"})
            connection = Connection(self._settings, f"fedbed-{self._node}", will, wake=self._wake)
            try:
                connection.open(self._context())
                self._greet(connection)
                self._talk(connection)
                self._part(connection)
            except Ended as end:
                if time.monotonic() - began > STABLE_S:
                    quick.reset()
                    slow.reset()
                self._note(end)
                self._pause((slow if end.lasting else quick).next_s())
            finally:
                connection.abandon()

    def _context(self) -> Optional[ssl.SSLContext]:
        if self._settings.tls and self._tls is None:
            ca = self._settings.ca
            try:
                # With a pinned CA without dates: boards have no clock (docs/decisions/007).
                self._tls = trust.context(ca, dates=ca is None, peer=trust.BROKER)
            except FedbedError as error:
                raise Ended(str(error), lasting=True) from error
        return self._tls

    def _greet(self, connection: Connection) -> None:
        self._said.clear()
        log.info("speaks to the broker at %s as '%s'", self._settings.url, self._settings.user)
        plug = self._settings.plug
        connection.subscribe([self._topic(topics.COMMAND), *(plug.topics if plug else [])])
        connection.publish(self._presence({"online": True, **self._about}))
        self._told_state = None
        self._courier.connected()

    def _talk(self, connection: Connection) -> None:
        while not self._stopping.is_set():
            self._send(connection)
            self._keep_house()
            for message in connection.step(self._wait_s()):
                self._received(message)

    def _send(self, connection: Connection) -> None:
        doing = self._doing()
        if doing != self._told_state and time.monotonic() >= self._state_sent_at + APART_S:
            self._told_state, self._state_sent_at = doing, time.monotonic()
            said = {"state": doing.state, "run": doing.run, "round": doing.round}
            connection.publish(Message(self._topic(topics.STATE), _json(said), retain=True))
        while self._answers:
            connection.publish(Message(self._topic(topics.ANSWER), self._answers.popleft()))
        self._courier.send(connection)

    def _wait_s(self) -> float:
        if self._doing() == self._told_state:
            return self._courier.wait_s()
        until = self._state_sent_at + APART_S - time.monotonic()
        return min(self._courier.wait_s(), max(0.0, until))

    def _doing(self) -> Doing:
        return Doing(OFFLINE) if self._stopping.is_set() else self._activity.doing

    def _part(self, connection: Connection) -> None:
        """Send what waits, as far as that takes no time, and say that the node is offline."""
        until = time.monotonic() + GOODBYE_S
        connection.publish(self._presence({"online": False, "reason": "stopped"}))
        self._courier.hurry()
        while time.monotonic() < until:
            self._send(connection)
            if self._courier.is_idle and self._told_state == Doing(OFFLINE):
                break
            connection.step(min(0.1, self._wait_s()))
        connection.close()

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping.is_set() and time.monotonic() < until:
            self._keep_house()
            self._stopping.wait(min(0.5, max(0.0, until - time.monotonic())))

    def _keep_house(self) -> None:
        is_due = time.monotonic() - self._state_point_at >= STATE_EVERY_S
        if is_due and self._add_state(self._activity.doing):
            self._state_point_at = time.monotonic()
        self._outbox.tidy()

    def _received(self, message: Message) -> None:
        plug = self._settings.plug
        if message.topic == self._topic(topics.COMMAND):
            # One that the broker has kept is of another time.
            if not message.retain:
                self._commands.take(message.payload)
        elif plug is not None:
            sample = self._meter.sample(plug.read(message.topic, message.payload))
            if sample is not None:
                self._add(sample.measurement, sample.tags, sample.fields)

    def _note(self, end: Ended) -> None:
        # Each reason once, until it has worked again.
        if str(end) not in self._said:
            self._said.add(str(end))
            log.warning("%s. Samples wait; trying again until it works.", end)

    def _add_state(self, doing: Doing) -> bool:
        fields: Dict[str, Value] = {"state": doing.state, "run": doing.run, "round": doing.round}
        return self._add("fedbed_state", {}, fields)

    def _add(self, what: str, tags: Mapping[str, str], fields: Mapping[str, Value]) -> bool:
        """Have a point of this moment sent; returns whether the moment has a date by now."""
        at_ns = self._now_ns()
        if at_ns is None:
            return False
        self._outbox.add([Point(what, {**tags, "node": self._node}, dict(fields), at_ns)])
        return True

    def _presence(self, said: Mapping[str, Any]) -> Message:
        return Message(self._topic(topics.PRESENCE), _json(said), retain=True)

    def _topic(self, kind: str) -> str:
        return topics.topic(self._node, kind)


def _json(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said).encode()
