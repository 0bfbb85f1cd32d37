"""Carrying out one fault: wait for its moment, strike, hold, undo, and wait for the victim."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fedbed.chaos.ground import Ground
from fedbed.chaos.moments import AtCall, AtRound, AtSeconds
from fedbed.chaos.plan import Strike, Victim
from fedbed.chaos.watch import Watch
from fedbed.errors import FedbedError

BACK_LIMIT_S = 30.0
LOOK_S = 0.05
Undo = Callable[[], None]


@dataclass
class Struck:
    """What became of a fault; times are seconds since the run's submission."""

    strike: Strike
    struck_s: float | None = None
    """None: the run was over before its moment came."""
    undone_s: float | None = None
    back_s: float | None = None
    """When the victim was back; None if it never was.

    A node or the coordinator is back when it polls, or all nodes poll it; a worker, a run's
    process or one with room on its disk again when the next round is over.
    """
    carried: Mapping[str, str] = field(default_factory=dict)
    """Updates that waited on nodes just before the coordinator came back, with their sha256."""
    told: str = ""
    """What the run waited for, by the coordinator's own words, as the fault ended."""
    error: str = ""

    @property
    def back_after_s(self) -> float | None:
        """Seconds from the end of the fault until the victim was back."""
        if self.back_s is None or self.undone_s is None:
            return None
        return max(0.0, self.back_s - self.undone_s)


class Striker:
    """A thread for one fault of one run. Whatever happens, what was done is undone."""

    def __init__(self, strike: Strike, ground: Ground, watch: Watch) -> None:
        self.struck = Struck(strike)
        self._strike = strike
        self._victim = strike.victim
        self._ground = ground
        self._watch = watch
        self._thread = threading.Thread(target=self._run, name="strike", daemon=True)

    def start(self) -> None:
        """Begin to wait for the moment."""
        self._thread.start()

    def join(self) -> None:
        """Wait until all is undone; soon, once the watch is stopped."""
        self._thread.join()

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            if isinstance(self._strike.moment, AtCall):
                self._kill_at(self._strike.moment)
            elif self._await_moment():
                self._hit(self._do())
        except Exception as error:  # noqa: BLE001 - a thread's error is told by who follows the run
            if self.struck.struck_s is not None or not self._watch.ended:
                told = isinstance(error, FedbedError)
                self.struck.error = str(error) if told else f"{type(error).__name__}: {error}"

    def _await_moment(self) -> bool:
        moment = self._strike.moment
        watch = self._watch
        if isinstance(moment, AtSeconds):
            there = watch.sleep_until(moment.seconds)
            return there and self._await_victim()
        assert isinstance(moment, AtRound)
        number = moment.number
        return watch.wait_for(lambda: watch.ended or watch.training_in(number), 1e6) and (
            not watch.ended
        )

    def _await_victim(self) -> bool:
        """A run's process takes a moment to begin; who is gone for good can't be struck."""
        watch = self._watch
        while not watch.ended:
            if self._ground.is_up(self._victim):
                return True
            if not watch.sleep_until(watch.now() + LOOK_S):
                return False
        return False

    def _kill_at(self, moment: AtCall) -> None:
        watch = self._watch
        # Not before: strace slows every system call, and importing makes a hundred thousand.
        begun = watch.wait_for(lambda: watch.ended or watch.rounds_begun, 1e6)
        if not begun or not self._await_victim():
            return
        trap = self._ground.trap(self._victim, moment.call, moment.number)
        try:
            while not trap.sprung(LOOK_S):
                if watch.ended or watch.stopped.is_set():
                    return
        finally:
            trap.close()
        self._hit(self._bring_back())

    def _hit(self, undo: Undo) -> None:
        """Note the time, hold, undo, and see when the victim is back."""
        struck, watch = self.struck, self._watch
        struck.struck_s = watch.now()
        try:
            if self._strike.kind == "corrupt_upload":
                self._await_corrupted()
            else:
                watch.sleep_until(struck.struck_s + self._strike.lasts_s)
        finally:
            if self._victim.part == "coordinator":
                struck.carried = self._ground.spooled()
            struck.told = str(watch.run.get("wait") or "")
            undo()
            struck.undone_s = watch.now()
        if self._await_back():
            struck.back_s = watch.now()

    def _await_corrupted(self) -> None:
        link, watch = self._ground.link(self._victim.node), self._watch
        while not link.corrupted(LOOK_S):
            if watch.ended or watch.stopped.is_set():
                self.struck.struck_s = None
                return
        self.struck.struck_s = watch.now()

    def _do(self) -> Undo:
        """Strike; returns what undoes it."""
        ground, victim, strike = self._ground, self._victim, self._strike
        kind = strike.kind
        if kind in ("kill", "outage"):
            ground.kill(victim)
            return self._bring_back()
        if kind == "restart":
            ground.stop(victim)
            return self._bring_back()
        if kind == "freeze":
            ground.freeze(victim)
            return lambda: ground.thaw(victim)
        if kind == "slow_cpu":
            ground.slow_cpu(victim, strike.share)
            return lambda: ground.full_speed(victim)
        if kind == "fill_disk":
            ground.fill_disk(victim)
            return lambda: ground.free_disk(victim)
        link = ground.link(victim.node)
        if kind == "cut_link":
            link.cut(strike.how)
        elif kind == "slow_link":
            link.slow(strike.delay_s, strike.rate_kb * 1000)
        else:
            link.corrupt_next()
        return link.mend

    def _bring_back(self) -> Undo:
        """Agents and the coordinator are started again by us, the others by whom they work for."""
        victim = self._victim
        if victim.part in ("agent", "coordinator"):
            return lambda: self._ground.start(victim)
        return lambda: None

    def _await_back(self) -> bool:
        watch, victim, kind = self._watch, self._victim, self._strike.kind
        undone = self.struck.undone_s or 0.0
        if kind in ("slow_cpu", "slow_link", "corrupt_upload"):
            return True  # it was never away
        if kind == "fill_disk" or (victim.part in ("run", "worker") and kind == "kill"):
            return self._await_next_round(undone)
        if victim.part in ("run", "worker"):
            return True
        names = self._nodes_concerned(victim)
        thawed = kind in ("freeze", "cut_link")
        return watch.wait_for(
            lambda: all(
                watch.node_polled_since(name, undone)
                or (thawed and watch.picture_at > undone and not watch.node_is_away(name))
                for name in names
            ),
            BACK_LIMIT_S,
        )

    def _await_next_round(self, undone: float) -> bool:
        watch = self._watch
        # A picture from before may lack a round that was over already.
        if not watch.wait_for(lambda: watch.ended or watch.picture_at > undone, BACK_LIMIT_S):
            return False
        rounds = watch.rounds_done
        return watch.wait_for(lambda: watch.ended or watch.rounds_done > rounds, BACK_LIMIT_S)

    def _nodes_concerned(self, victim: Victim) -> list[str]:
        if victim.node:
            return [f"node-{victim.node}"]
        return [str(node["name"]) for node in self._watch.picture.get("nodes", ())]
