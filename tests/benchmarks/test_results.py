from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.rows import Row

ROWS = [Row("round", 1.6, "s", goal=1.5, note="why")]


def test_the_document_says_what_when_where_and_with_which_versions(tmp_path: Path) -> None:
    document = results.describe(ROWS, False, ["rounds"], True, 12.34)
    path = results.write(document, tmp_path / "new")
    read = json.loads(path.read_text())
    assert results.rows_of(read) == ROWS
    assert (read["mode"], read["measurements"], read["seconds"]) == ("full", ["rounds"], 12.3)
    assert read["versions"]["python"] == platform.python_version()
    assert {"fedbed", "flwr", "torch", "numpy", "zstandard"} <= set(read["versions"])
    assert read["machine"]["cores"] >= 1
    assert read["machine"]["cpu"]
    assert [entry.name for entry in path.parent.iterdir()] == ["latest.json"]


@pytest.mark.parametrize(
    ("quick", "complete", "name"),
    [
        (False, True, "latest"),
        (True, True, "quick"),
        (False, False, "partial"),
        (True, False, "partial"),
    ],
)
def test_only_a_complete_full_call_is_the_latest(quick: bool, complete: bool, name: str) -> None:
    assert results.stem(results.describe([], quick, [], complete, 0.0)) == name
