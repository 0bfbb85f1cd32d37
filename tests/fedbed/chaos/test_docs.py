from __future__ import annotations

import pytest

from fedbed.chaos import docs
from fedbed.errors import UsageError


def test_the_committed_reference_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 0, capsys.readouterr().err


def test_only_what_is_between_the_marks_is_written_anew() -> None:
    page = "before\n" + docs.BEGIN + "old\n" + docs.END + "after\n"
    fresh = docs.renewed(page)
    assert fresh.startswith("before\n")
    assert fresh.endswith("after\n")
    assert "\nold\n" not in fresh
    assert "`back_after`" in fresh
    assert docs.renewed(fresh) == fresh
    with pytest.raises(UsageError, match="marks"):
        docs.renewed("nothing")
