"""One run with its faults: submit, follow, strike, look, judge."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedbed import experiment
from fedbed.chaos import invariants
from fedbed.chaos.ground import Ground, Trap
from fedbed.chaos.invariants import Broken, Facts, Holdings
from fedbed.chaos.moments import DRAWN_CALLS
from fedbed.chaos.plan import Trial, Victim, Yardstick
from fedbed.chaos.scenario import Part, Scenario
from fedbed.chaos.strikes import Striker, Struck
from fedbed.chaos.watch import Watch
from fedbed.client import Client
from fedbed.errors import FedbedError, RunFailed

SETTLE_S = 5.0
"""How long nodes may take to let go of what was acknowledged."""
Step = Callable[[], None]


@dataclass
class Outcome:
    """A run that is over, with what befell it and what was found."""

    trial: Trial
    run_id: str
    seconds: float
    """From its submission until it was seen to be over."""
    marks: Sequence[tuple[float, str]]
    said: Sequence[tuple[float, str]]
    facts: Facts
    holdings: Holdings = field(default_factory=Holdings)
    struck: Sequence[Struck] = ()
    broken: Sequence[Broken] = ()

    @property
    def missed(self) -> bool:
        """Whether a fault never struck because the run was over before."""
        return any(struck.struck_s is None and not struck.error for struck in self.struck)

    def carried(self) -> dict[str, str]:
        """Return the updates that waited on nodes while the coordinator was away."""
        return {item: sha for struck in self.struck for item, sha in struck.carried.items()}

    def yardstick(self, census: Mapping[Part, Mapping[str, int]]) -> Yardstick:
        """Take it, undisturbed as it was, as a measure for when to strike."""
        training = [at for at, phase in self.marks if phase.startswith("round")]
        after = [at for at, phase in self.marks if at > max(training, default=0.0)]
        return Yardstick(
            trained_from_s=min(training, default=0.0),
            trained_until_s=min(after, default=self.seconds),
            ended_s=self.seconds,
            census=census,
        )


def run_trial(
    ground: Ground,
    scenario: Scenario,
    trial: Trial,
    undisturbed: Facts | None = None,
    step: Step = lambda: None,
) -> Outcome:
    """Carry out one trial on an open ground whose nodes are ready.

    step: called several times a second. Nothing of the faults is left when it returns or raises.
    """
    with Client(ground.url) as client:
        watch = Watch(client, _submit(client, scenario))
        strikers = [Striker(strike, ground, watch) for strike in trial.strikes]
        limit = scenario.limit + sum(strike.lasts_s for strike in trial.strikes)
        try:
            for striker in strikers:
                striker.start()
            _follow(watch, limit, step)
            seconds = watch.now()
            _await_strikers(watch, strikers, step)
        finally:
            watch.stopped.set()
            for striker in strikers:
                striker.join()
        facts = _facts(client, watch, scenario, limit)
        outcome = Outcome(trial, watch.run_id, seconds, watch.marks, watch.said, facts)
        outcome.struck = [striker.struck for striker in strikers]
        outcome.holdings = _settled(ground, watch.run_id)
    expect = scenario.expect
    found = invariants.check(facts, outcome.holdings, undisturbed, expect, outcome.carried())
    found += [Broken("faults can be done and undone", s.error) for s in outcome.struck if s.error]
    outcome.broken = found
    return outcome


def run_census(ground: Ground, scenario: Scenario) -> Mapping[Part, Mapping[str, int]]:
    """Count the system calls of one undisturbed run, of each part (on nodes: of node-1)."""
    traps: dict[Part, Trap] = {}
    counted: dict[Part, Mapping[str, int]] = {}
    with Client(ground.url) as client:
        watch = Watch(client, _submit(client, scenario))
        try:
            while not (watch.rounds_begun or watch.ended):
                watch.step()
            for victim in (
                Victim("run"),
                Victim("coordinator"),
                Victim("worker", 1),
                Victim("agent", 1),
            ):
                traps[victim.part] = ground.count_calls(victim, DRAWN_CALLS)
            _follow(watch, scenario.limit, lambda: None)
        finally:
            for part, trap in traps.items():
                counted[part] = trap.close()
    if not watch.ended:
        raise RunFailed(f"the run that counts system calls didn't end within {scenario.limit:g} s")
    return counted


def _submit(client: Client, scenario: Scenario) -> str:
    wanted = scenario.experiment
    return client.submit(
        name=wanted.name, experiment=experiment.dump(wanted), seed=wanted.seeds[0], twin=False
    )


def _follow(watch: Watch, limit_s: float, step: Step) -> None:
    while not watch.ended and watch.now() < limit_s:
        watch.step()
        step()


def _await_strikers(watch: Watch, strikers: Sequence[Striker], step: Step) -> None:
    """A fault may outlast its run, and its victim comes back all the same."""
    while not all(striker.over for striker in strikers):
        watch.step()
        step()


def _facts(client: Client, watch: Watch, scenario: Scenario, limit_s: float) -> Facts:
    federation = scenario.experiment.federation
    state, error = str(watch.run.get("state")), str(watch.run.get("error") or "")
    if not watch.ended:
        error = f"not over after {limit_s:.0f} s ({watch.run.get('phase')}); stopped"
        _stop(client, watch.run_id)
    result: Mapping[str, Any] = {}
    if state == "finished":
        result, error = _result(client, watch.run_id)
        state = "failed" if error else state
    accuracy = dict(result.get("final") or {}).get("federated")
    return Facts(
        state=state,
        error=error,
        rounds=federation.rounds,
        nodes=federation.nodes,
        model_sha256=str(result.get("model_sha256") or ""),
        accuracy=accuracy if isinstance(accuracy, float) else None,
        history=list(result.get("history") or ()),
    )


def _stop(client: Client, run_id: str) -> None:
    try:
        client.stop(run_id)
    except FedbedError:
        return  # it has ended meanwhile, or the coordinator is gone: that is found elsewhere


def _result(client: Client, run_id: str) -> tuple[Mapping[str, Any], str]:
    with tempfile.TemporaryDirectory(prefix="fedbed-chaos-") as folder:
        try:
            client.download(run_id, Path(folder))
            found: Mapping[str, Any] = json.loads((Path(folder) / "result.json").read_text())
        except (FedbedError, OSError, ValueError) as error:
            return {}, f"its result can't be read: {error}"
    return found, ""


def _settled(ground: Ground, run_id: str) -> Holdings:
    """Look until nothing is on its way any more, or for `SETTLE_S`."""
    limit = time.monotonic() + SETTLE_S
    tracebacks: list[str] = []
    while True:
        found = ground.holdings(run_id)
        tracebacks += found.tracebacks
        moving = found.spooled or found.half_written or found.open
        if not moving or time.monotonic() > limit:
            return Holdings(**{**vars(found), "tracebacks": list(dict.fromkeys(tracebacks))})
        time.sleep(0.05)
