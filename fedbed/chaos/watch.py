"""Following a run from outside, through outages of the coordinator, noting when what was."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fedbed.cli.follow import find
from fedbed.cli.readings import ENDED
from fedbed.client import Client
from fedbed.errors import CoordinatorAway, NodesMissing

PAUSE_S = 0.1
POLL_S = 0.25
AWAY = ("offline", "join")


class Watch:
    """One run; `step` in one thread, everything else from any. Times are seconds since `begin`."""

    def __init__(self, client: Client, run_id: str) -> None:
        self.run_id = run_id
        self.run: Mapping[str, Any] = {}
        self.picture: Mapping[str, Any] = {}
        self.picture_at = 0.0
        self.marks: list[tuple[float, str]] = []
        """When each phase was seen first, such as `round 2`."""
        self.said: list[tuple[float, str]] = []
        """What the coordinator said meanwhile."""
        self.stopped = threading.Event()
        """Set when nobody should wait for anything any more."""
        self._client = client
        self._begin = time.monotonic()
        self._version = 0
        self._heard: set[tuple[float, str]] = set()
        self._news = threading.Condition()

    def now(self) -> float:
        """Seconds since the run was submitted."""
        return time.monotonic() - self._begin

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.run.get("state") in ENDED

    def step(self) -> None:
        """Take in the next picture, or wait a moment where there is none."""
        try:
            picture = self._client.live(self._version, POLL_S)
        except CoordinatorAway:
            self._version = 0  # a new life counts from the beginning
            time.sleep(PAUSE_S)
            return
        run = find(picture, self.run_id)
        with self._news:
            self._version = int(picture["version"])
            self.picture, self.picture_at = picture, self.now()
            if run is not None:
                self.run = run
                self._mark(run)
            self._listen(picture)
            self._news.notify_all()

    def wait_for(self, true: Callable[[], bool], limit_s: float) -> bool:
        """Wait until something is true of the picture, or `stopped`; returns whether it is."""
        limit = self.now() + limit_s
        with self._news:
            while not true():
                left = limit - self.now()
                if left <= 0 or self.stopped.is_set():
                    return False
                self._news.wait(min(left, PAUSE_S))
        return True

    def sleep_until(self, moment: float) -> bool:
        """Wait for a time; False if the watch is stopped before."""
        return not self.stopped.wait(max(0.0, moment - self.now()))

    @property
    def rounds_done(self) -> int:
        """How many rounds are over."""
        return len(self.run.get("history") or ())

    @property
    def rounds_begun(self) -> bool:
        """Whether the first round has begun."""
        return self._is_in(1)

    def training_in(self, server_round: int) -> bool:
        """Whether a node trains in this round or a later one."""
        training = any(node["state"] == "training" for node in self.picture.get("nodes", ()))
        return training and self._is_in(server_round)

    def _is_in(self, server_round: int) -> bool:
        run = self.run
        return run.get("phase") == "round" and int(run.get("round", 0)) >= server_round

    def node_is_away(self, name: str) -> bool:
        """Whether the coordinator has lost a node, by the latest picture."""
        node = self._node(name)
        return node is not None and node["state"] == "offline"

    def node_polled_since(self, name: str, moment: float) -> bool:
        """Whether a node is here and has polled after a moment."""
        node = self._node(name)
        if node is None or node["state"] in AWAY or node["seen_s_ago"] is None:
            return False
        return self.picture_at > moment and self.picture_at - float(node["seen_s_ago"]) >= moment

    def _node(self, name: str) -> Mapping[str, Any] | None:
        nodes: Sequence[Mapping[str, Any]] = self.picture.get("nodes", ())
        return next((node for node in nodes if node["name"] == name), None)

    def _mark(self, run: Mapping[str, Any]) -> None:
        phase = str(run.get("phase") or "")
        if phase == "round":
            phase = f"round {run.get('round')}"
        if phase and (not self.marks or self.marks[-1][1] != phase):
            self.marks.append((self.now(), phase))

    def _listen(self, picture: Mapping[str, Any]) -> None:
        for event in picture.get("events", ()):
            key = (float(event["at"]), str(event["text"]))
            if key not in self._heard and event.get("run") in ("", self.run_id):
                self._heard.add(key)
                self.said.append((self.now(), key[1]))


def await_nodes(client: Client, names: Sequence[str], limit_s: float) -> None:
    """Wait until all these nodes are there and idle; NodesMissing if they take too long."""
    limit = time.monotonic() + limit_s
    version = 0
    while True:
        try:
            picture = client.live(version, POLL_S)
            version = int(picture["version"])
            states = {node["name"]: node["state"] for node in picture["nodes"]}
        except CoordinatorAway:
            version, states = 0, {}
            time.sleep(PAUSE_S)
        if all(states.get(name) == "ready" for name in names):
            return
        if time.monotonic() > limit:
            late = [f"{name} ({states.get(name, 'absent')})" for name in names]
            raise NodesMissing(f"not all nodes are ready within {limit_s:.0f} s: {', '.join(late)}")
