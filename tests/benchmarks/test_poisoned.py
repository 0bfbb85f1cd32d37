from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import curves, poisoned
from benchmarks.poisoned import BEGIN, END, PAGE, STRATEGIES, Course
from fedbed.experiment import load, override, strategies

COURSES = [
    Course("FedAvg", True, 1, [0.1, 0.2], 0.002),
    Course("FedAvg", True, 2, [0.1, 0.1], 0.004),
    Course("FedAvg", False, 1, [0.1, 0.9], 0.003),
    Course("FedAvg", False, 2, [0.1, 0.8], 0.003),
    Course("Krum", True, 1, [0.1, 0.7], 0.01),
    Course("Krum", False, 1, [0.1, 0.75], 0.01),
]


def test_the_table_says_what_each_strategy_keeps_and_costs() -> None:
    *_, average, krum = poisoned.table(COURSES)
    assert average == (
        "| FedAvg | 15.00 % (20.00, 10.00) | 85.00 % (90.00, 80.00) | 0.00 points | 3.0 ms |"
    )
    assert krum == "| Krum | 70.00 % (70.00) | 75.00 % (75.00) | 10.00 points | 10.0 ms |"


def test_what_is_drawn_are_the_strategies_under_attack_and_one_without(tmp_path: Path) -> None:
    drawn = poisoned.lines(COURSES)
    assert [line.title for line in drawn] == ["FedAvg", "FedAvg, all honest", "Krum"]
    assert drawn[0].means == [0.1, pytest.approx(0.15)]
    assert [line.dashed for line in drawn] == [False, True, False]
    curves.write(drawn, tmp_path / "drawn.svg")
    assert "</svg>" in (tmp_path / "drawn.svg").read_text()


def test_the_page_takes_the_table_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    poisoned.publish(COURSES, page)
    text = page.read_text()
    assert text.startswith("# Before\n\n")
    assert text.endswith("\n\nafter\n")
    assert "old" not in text
    assert "| Krum |" in text
    assert BEGIN in PAGE.read_text()


def test_every_strategy_is_one_that_the_experiment_can_have() -> None:
    experiment = load(poisoned.EXPERIMENT)
    for name, args in STRATEGIES.items():
        assert strategies.build(name, args, strategies.defaults(experiment)) is not None
    assert override(experiment, poisoned.QUICK).federation.rounds == 3
