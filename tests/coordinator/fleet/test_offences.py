from __future__ import annotations

import pytest

from coordinator.fleet import offences


@pytest.mark.parametrize("kind", sorted(offences.KINDS))
def test_what_no_honest_node_does_is_an_offence(kind: str) -> None:
    assert offences.is_offence(kind)


@pytest.mark.parametrize("kind", [*offences.HONEST, "error", ""])
def test_what_honest_nodes_do_is_none(kind: str) -> None:
    assert not offences.is_offence(kind)
    assert not offences.is_offence(kind, of_task=False)


def test_what_a_flower_app_computes_is_its_author_s_affair() -> None:
    counted = {kind for kind in offences.KINDS if offences.is_offence(kind, of_task=False)}
    assert counted == {"malformed", "unasked", "wrong-item", "wrong-reference"}


def test_training_again_mends_no_wrong_form() -> None:
    for_good = {kind for kind in offences.KINDS if not offences.mends(kind)}
    assert for_good == {"shape", "dtype", "malformed", "too-large"}
    assert offences.mends("damaged")


@pytest.mark.parametrize(
    ("culprits", "asked", "shared"),
    [(1, 1, True), (1, 2, False), (2, 4, False), (3, 4, True), (4, 4, True), (0, 4, False)],
)
def test_what_most_nodes_do_is_the_experiment_s_fault(
    culprits: int, asked: int, shared: bool
) -> None:
    assert offences.is_shared(culprits, asked) is shared
    assert offences.may_be_shared("not-finite")
    assert not offences.may_be_shared("shape")


@pytest.mark.parametrize(
    ("count", "most", "aside"),
    [(2, 3, False), (3, 3, True), (4, 3, True), (1, 1, True), (0, 1, False), (99, 0, False)],
)
def test_after_so_many_a_node_is_set_aside(count: int, most: int, aside: bool) -> None:
    assert offences.sets_aside(count, most) is aside


def test_it_is_said_in_words() -> None:
    assert offences.counted(2, 3) == "offence 2 of 3"
    assert offences.counted(2, 0) == "offence 2"
    assert offences.reason(1, "NaN") == "set aside after 1 offence: NaN"
    assert offences.reason(3, "NaN") == "set aside after 3 offences: NaN"
