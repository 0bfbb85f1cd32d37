"""Line protocol: types, escapes, and what can't be said in it."""

from __future__ import annotations

from typing import Any

import pytest

from fedbed.telemetry.point import Point

AT = 1_700_000_000_000_000_000


def line(fields: dict[str, Any], tags: dict[str, str] | None = None, name: str = "m") -> str:
    return Point(name, tags or {}, fields, AT).line()


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (1.5, "1.5"),
        (1e-9, "1e-09"),
        (3, "3i"),
        (True, "true"),
        ("a b", '"a b"'),
        ('say "no"\\', '"say \\"no\\"\\\\"'),
        ("two\nlines\x00", '"two lines "'),
    ],
)
def test_values(value: Any, wanted: str) -> None:
    assert line({"f": value}) == f"m f={wanted} {AT}"


def test_tags_are_sorted_escaped_and_left_out_where_empty() -> None:
    tags = {"node": "pi 1,a=b", "run": "", "gpu": "x\\"}
    assert line({"f": 1}, tags) == f"m,gpu=x,node=pi\\ 1\\,a\\=b f=1i {AT}"


def test_what_is_no_number_is_left_out() -> None:
    assert line({"a": float("nan"), "b": 2, "c": float("inf")}) == f"m b=2i {AT}"
    assert line({"a": float("nan")}) == ""
    assert line({}) == ""


def test_names_of_measurements_and_fields() -> None:
    assert line({"a b=c": 1}, name="m,n o") == f"m\\,n\\ o a\\ b\\=c=1i {AT}"
