from __future__ import annotations

from pathlib import Path

from benchmarks import plot
from benchmarks.rows import Row

ROW = Row("round", 50.0, "ms", 100, True, True, 6000.0, "stock Flower")


def test_the_same_figures_give_the_same_file(tmp_path: Path) -> None:
    one = plot.write([ROW], tmp_path / "one.svg")
    two = plot.write([ROW], tmp_path / "two.svg")
    assert one is not None
    assert two is not None
    assert one.read_bytes() == two.read_bytes()


def test_rows_without_a_peer_are_left_out(tmp_path: Path) -> None:
    alone = Row("killed agent noticed after", 1.0, "s", goal=2)
    with_it = plot.write([ROW, alone], tmp_path / "with.svg")
    without = plot.write([ROW], tmp_path / "without.svg")
    assert with_it is not None
    assert without is not None
    assert with_it.read_bytes() == without.read_bytes()
    assert plot.write([alone], tmp_path / "none.svg") is None
    assert not (tmp_path / "none.svg").exists()
