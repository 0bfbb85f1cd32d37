from __future__ import annotations

import pytest

from fedbed.chaos import docs
from fedbed.errors import UsageError
from fedbed.experiment.generated import END


def test_the_committed_reference_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 0, capsys.readouterr().err


def test_only_what_is_between_the_marks_is_written_anew() -> None:
    page = "before\n" + docs.PART.begin + "old\n" + END + "after\n"
    fresh = docs.PART.renewed(page)
    assert fresh.startswith("before\n")
    assert fresh.endswith("after\n")
    assert "\nold\n" not in fresh
    assert "`back_after`" in fresh
    assert docs.PART.renewed(fresh) == fresh
    with pytest.raises(UsageError, match="marks"):
        docs.PART.renewed("nothing")
