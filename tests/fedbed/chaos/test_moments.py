from __future__ import annotations

import pytest

from fedbed.chaos.moments import AtCall, AtRound, AtSeconds, Drawn, parse


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("random", Drawn(of_calls=False)),
        ("random  call", Drawn(of_calls=True)),
        ("round 2", AtRound(2)),
        ("1.5s", AtSeconds(1.5)),
        ("fsync 3", AtCall("fsync", 3)),
    ],
)
def test_moments_are_read(text: str, moment: object) -> None:
    assert parse(text) == moment


@pytest.mark.parametrize("text", ["", "round 0", "fsync", "fork 1", "call", "-1s", "fsync 3 times"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse(text)
