from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.residuals import Residuals


@pytest.fixture
def residuals(tmp_path: Path) -> Residuals:
    return Residuals(tmp_path / "residuals")


def held(residuals: Residuals, item: str) -> bytes | None:
    path = residuals.before(item)
    return None if path is None else path.read_bytes()


def test_an_item_starts_from_what_the_one_before_left_out(residuals: Residuals) -> None:
    assert held(residuals, "run.000001.3") is None
    residuals.keep("run.000001.3", b"one")
    assert held(residuals, "run.000001.3") is None
    assert held(residuals, "run.000004.3") == b"one"
    residuals.keep("run.000004.3", b"four")
    assert held(residuals, "run.000005.3") == b"four"


def test_an_item_that_is_answered_again_starts_from_the_same_residual(residuals: Residuals) -> None:
    residuals.keep("run.000001.3", b"one")
    residuals.keep("run.000002.3", b"two")
    assert held(residuals, "run.000002.3") == b"one"
    residuals.keep("run.000002.3", b"two again")
    assert held(residuals, "run.000003.3") == b"two again"


def test_what_was_half_written_is_swept_away(residuals: Residuals, tmp_path: Path) -> None:
    residuals.sweep()
    residuals.keep("run.000001.3", b"one")
    (tmp_path / "residuals" / ".x1y2.part").write_bytes(b"hal")
    residuals.sweep()
    assert [p.name for p in (tmp_path / "residuals").iterdir()] == ["run.000001.3.residual"]


def test_a_result_that_nobody_took_leaves_no_trace(residuals: Residuals) -> None:
    residuals.keep("run.000001.3", b"one")
    residuals.keep("run.000002.3", b"two")
    residuals.forget("run.000002.3")
    residuals.forget("run.000002.3")
    assert held(residuals, "run.000003.3") == b"one"


def test_numbers_count_and_not_their_spelling(residuals: Residuals) -> None:
    residuals.keep("run.999999.3", b"earlier")
    residuals.keep("run.1000000.3", b"later")
    assert held(residuals, "run.1000001.3") == b"later"


@pytest.mark.parametrize("other", ["other.000009.3", "run.000009.2", "run.x.000009.3"])
def test_runs_and_partitions_have_residuals_of_their_own(residuals: Residuals, other: str) -> None:
    residuals.keep("run.000001.3", b"one")
    assert held(residuals, other) is None


def test_only_the_newest_two_of_the_newest_run_are_kept(
    residuals: Residuals, tmp_path: Path
) -> None:
    for item in ("old.000001.0", "new.000001.3", "new.000002.3", "new.000003.3"):
        residuals.keep(item, b"x")
    files = sorted(p.name for p in (tmp_path / "residuals").iterdir())
    assert files == ["new.000002.3.residual", "new.000003.3.residual"]


def test_virtual_nodes_of_one_run_keep_theirs_beside_each_other(
    residuals: Residuals, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        for partition in (0, 7):
            residuals.keep(f"run.{number:06d}.{partition}", b"%d of %d" % (number, partition))
    assert held(residuals, "run.000004.0") == b"3 of 0"
    assert held(residuals, "run.000004.7") == b"3 of 7"
    assert len(list((tmp_path / "residuals").iterdir())) == 4


@pytest.mark.parametrize("item", ["", "run", "run.1", "../run.000001.3", "run.000001.3/x", "a.b.c"])
def test_an_id_of_another_form_keeps_nothing(
    residuals: Residuals, item: str, tmp_path: Path
) -> None:
    residuals.keep(item, b"x")
    residuals.forget(item)
    assert residuals.before(item) is None
    assert list(tmp_path.iterdir()) == []
