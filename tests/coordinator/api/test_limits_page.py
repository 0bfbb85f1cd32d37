"""docs/hostile-input.md says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.api import errors
from coordinator.api.limits import pace, rates, sizes
from coordinator.api.limits.buckets import Allowance
from coordinator.runs import inspection
from fedbed import bundle, yamlfile
from fedbed.errors import UsageError
from fedbed.units import format_bytes, format_duration

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "hostile-input.md").read_text()


def binary(count: int) -> str:
    size, unit = (count >> 20, "MiB") if count >= 1 << 20 else (count >> 10, "KiB")
    return f"{size} {unit}"


def allowed(allowance: Allowance) -> str:
    rate, burst, at_a_time = allowance.rate, allowance.burst, allowance.at_a_time
    return f"{rate:.0f} a second, {burst:.0f} at once, {at_a_time} at a time"


ROWS = {
    "body of a node's join": binary(sizes.MAX_JOIN_BYTES),
    "body of a poll, and of all else below": binary(sizes.MAX_REPORT_BYTES),
    "every other JSON body": binary(sizes.MAX_JSON_BYTES),
    "an experiment's text": f"{yamlfile.MAX_BYTES // 1000} kB",
    "a Flower app's bundle": f"{binary(bundle.MAX_BYTES)}, {bundle.MAX_FILES} files",
    "a result": f"and {binary(inspection.META_ALLOWANCE)} for its head",
    "pace of a body": f"{format_bytes(int(pace.DEFAULT.least_bytes_s))}/s on average after "
    + format_duration(pace.DEFAULT.grace_s),
    "pause within a body": format_duration(pace.DEFAULT.pause_s),
    "requests of a node's credential": allowed(rates.HOLDER),
    "requests of an address without a valid credential": allowed(rates.STRANGER),
}


@pytest.mark.parametrize("what", ROWS)
def test_the_page_has_the_limits_of_the_code(what: str) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {what}")]
    assert ROWS[what] in row.split("|")[2]


def test_every_place_that_the_page_names_is_there() -> None:
    named = {part for part in PAGE.split("`") if "/" in part and part.endswith((".py", "/"))}
    for place in named - {"/api/v1/nodes/"}:
        assert (ROOT / place).exists(), place


def test_the_length_of_a_detail_is_as_said() -> None:
    assert f"{errors.MAX_DETAIL} characters" in PAGE
    long = errors.refusal(UsageError("\x1b[31m" + "x\n" * 5000))
    assert b"\\\\x1b" in long.body
    assert len(long.body) < 2 * errors.MAX_DETAIL
