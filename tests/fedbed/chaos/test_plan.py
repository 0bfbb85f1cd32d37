from __future__ import annotations

import pytest

from fedbed.chaos.moments import AtCall, AtRound, AtSeconds
from fedbed.chaos.plan import Strike, Victim, Yardstick, earlier, needs_census, plan
from fedbed.chaos.scenario import Scenario
from fedbed.errors import UsageError
from tests.fedbed.chaos.files import scenario

MEASURE = Yardstick(2.0, 4.0, 10.0, {"coordinator": {"fsync": 5, "rename": 1}})


def strikes(wanted: Scenario, seed: int = 1, *only: str) -> list[Strike]:
    return [s for trial in plan(wanted, seed, MEASURE, only) for s in trial.strikes]


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    wanted = scenario("{do: kill, whom: agent, repeat: 20}")
    assert strikes(wanted) == strikes(wanted)
    assert strikes(wanted) != strikes(wanted, 2)
    assert {s.victim.node for s in strikes(wanted)} == {1, 2, 3}
    assert [s.name for s in strikes(wanted)][:2] == ["kill-agent-1", "kill-agent-2"]


def test_choosing_one_fault_changes_nothing_of_it() -> None:
    wanted = scenario("{do: kill, whom: agent}", "{do: kill, whom: run}")
    assert strikes(wanted, 1, "kill-run") == strikes(wanted)[1:]
    with pytest.raises(UsageError, match="did you mean 'kill-run'"):
        strikes(wanted, 1, "kil-run")


def test_random_times_lie_where_the_victim_lives() -> None:
    wanted = scenario(
        "{do: kill, whom: worker, repeat: 50}", "{do: kill, whom: coordinator, repeat: 50}"
    )
    times: dict[str, list[float]] = {"worker": [], "coordinator": []}
    for strike in strikes(wanted):
        assert isinstance(strike.moment, AtSeconds)
        times[strike.victim.part].append(strike.moment.seconds)
    assert all(2.0 <= time <= 4.0 for time in times["worker"])
    assert min(times["coordinator"]) < 2.0
    assert max(times["coordinator"]) > 4.0
    assert all(0.0 <= time <= 10.0 for time in times["coordinator"])


def test_the_first_of_each_comes_before_the_second() -> None:
    wanted = scenario("{do: kill, whom: agent, repeat: 2}", "{do: kill, whom: run, repeat: 2}")
    names = [strike.name for strike in strikes(wanted)]
    assert names == ["kill-agent-1", "kill-run-1", "kill-agent-2", "kill-run-2"]


def test_random_calls_are_some_that_the_victim_makes() -> None:
    wanted = scenario("{do: kill, whom: coordinator, at: random call, repeat: 60}")
    assert needs_census(wanted)
    drawn = {s.moment for s in strikes(wanted)}
    assert drawn == {AtCall("rename", 1), *(AtCall("fsync", n) for n in range(1, 6))}


def test_what_is_given_stays_and_lasts() -> None:
    kill, cut = strikes(
        scenario(
            "{do: kill, whom: agent, node: 2, at: round 2, back_after: 4s}",
            "{do: cut_link, how: refuse, lasts: 2s, at: 1s}",
        )
    )
    assert (kill.victim, kill.moment, kill.lasts_s) == (Victim("agent", 2), AtRound(2), 4.0)
    assert str(kill) == "kill agent of node-2 for 4 s in round 2"
    assert (cut.lasts_s, cut.how) == (2.0, "refuse")


def test_together_they_befall_one_run() -> None:
    faults = ("{do: kill, whom: run}", "{do: outage, lasts: 1s}")
    assert [len(t.strikes) for t in plan(scenario(*faults), 1, MEASURE)] == [1, 1]
    both = scenario(*faults, more="together: true\n")
    assert [len(t.strikes) for t in plan(both, 1, MEASURE)] == [2]


def test_an_escaped_fault_comes_earlier_until_the_beginning() -> None:
    (strike,) = strikes(scenario("{do: kill, whom: run, at: fsync 5}"))
    moments = []
    sooner: Strike | None = strike
    while sooner is not None:
        moments.append(str(sooner.moment))
        sooner = earlier(sooner)
    assert moments == ["at fsync 5", "at fsync 2", "at fsync 1"]
    (of_a_round,) = strikes(scenario("{do: kill, whom: run, at: round 2}"))
    before = earlier(of_a_round)
    assert before is not None
    assert before.moment == AtRound(1)
    assert earlier(before) is None
