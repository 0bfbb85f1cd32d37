"""docs/tasks.md against the code: its table of tasks, and the task that it walks through."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from fedbed import tasks
from fedbed.data.cards import card_names, load_card
from fedbed.data.dataset import Split
from fedbed.tasks import FitSettings

PAGE = (Path(__file__).parents[3] / "docs" / "tasks.md").read_text(encoding="utf-8")
ROWS = {
    cells[0].strip("`"): cells
    for line in PAGE.splitlines()
    if (cells := [cell.strip() for cell in line.strip("|").split("|")])[0].strip("`")
    in tasks.names()
}


def test_every_task_has_a_row() -> None:
    assert sorted(ROWS) == tasks.names()


@pytest.mark.parametrize("name", tasks.names())
def test_a_row_says_what_the_code_does(name: str) -> None:
    _, _, fitting, size, needs = ROWS[name]
    args = {"classes": 4} if "classes" in tasks.arguments(name) else {}
    weights = tasks.create(name, args).weights()
    learnt = sum(a.size for key, a in weights.items() if "running" not in key)
    count, size_in_bytes = re.findall(r"[\d,.]+", size)
    assert int(count.replace(",", "")) == learnt
    scale = 1e6 if "MB" in size else 1e3
    assert float(size_in_bytes) == pytest.approx(4 * learnt / scale, rel=0.1)
    assert needs == tasks.packages(name)[-1]
    for named in re.findall("`([^`]+)`", fitting):
        assert named in card_names()
        assert tasks.fits(name, load_card(named).shapes["train"][1:])


def test_the_task_of_the_walk_is_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    module = types.ModuleType("fedbed.tasks.my_task")
    exec(compile(re.sub("(?m)^ {3}", "", block), "my_task.py", "exec"), vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    line = tasks._Task(module.__name__, (28, 28))
    monkeypatch.setitem(tasks._TASKS, "my_task", line)
    trainer = tasks.create("my_task")
    trainer.load(trainer.initial(1))
    data = Split(np.zeros((4, 28, 28), np.uint8), np.arange(4))
    assert trainer.fit(data, FitSettings(4, 2, 0.1), lambda _share: None)["loss"] > 0
    assert tasks.metric("my_task") == "accuracy"
    assert 0 <= trainer.evaluate(data)["accuracy"] <= 1
