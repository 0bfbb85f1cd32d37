from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from coordinator.runner.checkpoint import KEPT, Checkpoint, Checkpoints
from tests.coordinator.runner.models import model


def write(folder: Path, number: int, needed: tuple[int, ...] = ()) -> None:
    checkpoints = Checkpoints(folder)
    checkpoints.begin(
        Checkpoint(
            round=number,
            exchanges=2 * number,
            model={k: v * number for k, v in model().items()},
            strategy_plain={"m": {"kind": "value", "value": number}},
            strategy_arrays={"m/0": np.full(3, number, np.float64)},
            history=[{"round": number}],
            result={"initial": {}},
            traffic=(3, 4),
            elapsed_s=1.5,
            under_way={"out": [[0, number, 1]]},
        ),
        needed,
    )
    checkpoints.settle()


def test_the_newest_counts_and_few_are_kept(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none").latest() is None
    for number in (1, 2, 9, 10):
        write(tmp_path, number)
    held = Checkpoints(tmp_path).latest()
    assert held is not None
    assert (held.round, held.exchanges, held.traffic, held.elapsed_s) == (10, 20, (3, 4), 1.5)
    assert held.history == [{"round": 10}]
    assert held.strategy_plain["m"]["value"] == 10
    np.testing.assert_array_equal(held.strategy_arrays["m/0"], np.full(3, 10.0))
    for key, value in model().items():
        assert held.model[key].tobytes() == (value * 10).tobytes()
    assert len(list(tmp_path.iterdir())) == KEPT


def test_random_numbers_go_on(tmp_path: Path) -> None:
    random.seed(1)
    np.random.seed(1)
    np.random.standard_normal()
    write(tmp_path, 1)
    expected = (random.random(), np.random.standard_normal(3).tolist())
    random.seed(2)
    np.random.seed(2)
    Checkpoints(tmp_path).latest()
    assert (random.random(), np.random.standard_normal(3).tolist()) == expected


def test_a_torn_file_is_ignored(tmp_path: Path) -> None:
    write(tmp_path, 1)
    (tmp_path / "round-000002.new").write_bytes(b"half")
    held = Checkpoints(tmp_path).latest()
    assert held is not None
    assert held.round == 1


def test_a_damaged_file_gives_way_to_the_one_before(tmp_path: Path) -> None:
    write(tmp_path, 1)
    write(tmp_path, 2)
    newest = tmp_path / "round-000002.ckpt"
    whole = newest.read_bytes()
    flipped = bytearray(whole)
    flipped[-1] ^= 1
    for damaged in (whole[:-7], b"", bytes(flipped)):
        newest.write_bytes(damaged)
        held = Checkpoints(tmp_path).latest()
        assert held is not None
        assert held.round == 1


def test_a_disk_that_refuses_is_heard_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        write(tmp_path / "file", 1)


def test_models_of_older_rounds_stay_while_they_are_needed(tmp_path: Path) -> None:
    for number in (1, 2, 3, 4):
        write(tmp_path, number, needed=(1,))
    checkpoints = Checkpoints(tmp_path)
    held = checkpoints.latest()
    assert held is not None
    assert held.under_way == {"out": [[0, 4, 1]]}
    first = checkpoints.model_of(1)
    assert first is not None
    assert {k: v.tobytes() for k, v in first.items()} == {
        k: v.tobytes() for k, v in model().items()
    }
    assert checkpoints.model_of(2) is None
    (tmp_path / "round-000001.ckpt").write_bytes(b"damaged")
    assert checkpoints.model_of(1) is None
    write(tmp_path, 5)
    assert len(list(tmp_path.iterdir())) == KEPT
