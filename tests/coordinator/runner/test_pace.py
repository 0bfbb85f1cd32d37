"""Time limits that follow the nodes."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.runner.pace import Pace, limit_s
from coordinator.runner.records import Records
from coordinator.runs.window import TOO_LATE
from fedbed.errors import ExperimentError
from fedbed.experiment import Federation, loads
from fedbed.experiment import Pace as Spec

QUICK = Spec(factor=1.5, share=0.75, least=0.5)


@pytest.mark.parametrize(
    ("expected", "wanted"),
    [
        ([1.0, 2.0, 3.0, 50.0], 4.5),  # three of four are through after 3 s
        ([50.0, 2.0, 3.0, None], 60.0),  # half a minute is expected, more than the longest
        ([None, 2.0, 3.0, 1.0], 4.5),
        ([None, None, 3.0, 1.0], 60.0),
        ([None] * 4, 60.0),
        ([0.01] * 4, 0.5),
        ([2.0], 3.0),
        ([], 60.0),
    ],
)
def test_the_limit_is_that_of_the_quicker_ones(expected: list[float | None], wanted: float) -> None:
    assert limit_s(QUICK, expected, 60.0) == wanted
    assert limit_s(Spec(), expected, 60.0) == 60.0


def entry(number: int, seconds: dict[int, float], late_s: float = 0.0) -> dict[str, Any]:
    nodes = [
        {"partition": p, "metrics": {}, "upload_s": 0.0, "timeline": {"work_s": s}}
        for p, s in seconds.items()
    ]
    missing = {"3": TOO_LATE} if late_s else {}
    return {"round": number, "nodes": nodes, "missing": missing, "train_s": late_s}


def test_it_follows_the_nodes_that_are_asked_and_forgets() -> None:
    federation = Federation(deadline=60.0, pace=Spec(factor=2.0, share=0.75, memory=2))
    pace = Pace.of(federation, Records())
    assert pace is not None
    history = [entry(1, {0: 1.0, 1: 1.0, 2: 2.0, 3: 10.0})]
    assert pace.limit_s(1, range(4), []) == 60.0
    assert pace.limit_s(2, range(4), history) == 4.0
    assert pace.limit_s(2, [2, 3], history) == 20.0
    history.append(entry(2, {0: 3.0, 1: 3.0, 2: 3.0}, late_s=4.0))
    assert pace.limit_s(3, range(4), history) == 6.0
    history.append(entry(3, {0: 3.0, 1: 3.0}))
    history.append(entry(4, {0: 3.0, 1: 3.0}))
    # Nobody has seen two of the four for so long.
    assert pace.limit_s(5, range(4), history) == 60.0


def test_it_is_off_unless_asked_for() -> None:
    assert Pace.of(Federation(), Records()) is None


@pytest.mark.parametrize(
    ("pace", "wanted"),
    [
        ("{factor: 0.5}", "federation.pace.factor: given 0.5"),
        ("{factor: 2, least: 2h}", "federation.pace.least: is longer than deadline"),
        ("{factor: 2, share: 0.2}", "federation.pace.share: is below quorum (0.3)"),
    ],
)
def test_what_makes_no_sense_is_refused(pace: str, wanted: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        loads(f"{{name: x, task: mnist_softmax, federation: {{pace: {pace}}}}}", "test")
    assert wanted in str(caught.value)
