from __future__ import annotations

from benchmarks import rounds
from benchmarks.clock import Timing

OURS = {
    "numpy": Timing(2.0, 0.05, 0.07),
    "torch": Timing(7.0, 0.06, 0.08),
    "large": Timing(4.0, 1.4, 1.6),
    "bf16-up": Timing(3.0, 1.1, 1.2),
    "bf16": Timing(3.0, 0.9, 1.1),
}


def test_rounds_stand_beside_stock_rounds_of_the_same_app() -> None:
    stock = {"numpy": Timing(9.0, 6.0, 7.0), "torch": Timing(12.0, 9.0, 9.0)}
    stock["large"] = Timing(40.0, 28.0, 30.0)
    found = {row.what: row for row in rounds.rows(OURS, stock, "")}
    assert len(found) == 7
    ratios = [round(row.ratio or 0) for row in found.values()]
    assert ratios == [120, 4, 150, 2, 20, 25, 31]
    assert [row.reached for row in found.values()] == [True, None, True, None, True, False, True]


def test_without_stock_flower_the_rows_say_why() -> None:
    found = rounds.rows(OURS, {}, "stock Flower isn't installed here")
    assert [row.peer for row in found] == [None] * 7
    goals = [row for row in found if row.goal is not None]
    assert [row.reached for row in goals] == [None, None, True, False, True]
    assert all("isn't installed" in row.note for row in goals)


def test_the_quick_call_spares_stock_flower_the_large_model() -> None:
    quick, full = rounds.cases(quick=True), rounds.cases(quick=False)
    assert [case.name for case in quick] == [case.name for case in full] == list(OURS)
    assert [case.name for case in quick if case.stock_rounds] == ["numpy", "torch"]
    assert [case.name for case in full if case.stock_rounds] == ["numpy", "torch", "large"]
