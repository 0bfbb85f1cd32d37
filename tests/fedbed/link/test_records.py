from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbed.errors import PayloadError
from fedbed.link import records

SCALARS = (
    st.booleans()
    | st.integers()
    | st.text()
    | st.binary()
    | st.floats(allow_nan=True, allow_infinity=True)
)
VALUES = SCALARS | st.lists(SCALARS, max_size=4)


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    same_sign = not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, other)
    return type(one) is type(other) and bool(one == other) and same_sign


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_round_trip_through_strict_json(values: dict[str, Any]) -> None:
    text = json.dumps(records.pack(values), allow_nan=False)
    back = records.unpack(json.loads(text))
    assert list(back) == list(values)
    assert all(equal(values[key], back[key]) for key in values)


def test_the_form_on_the_wire() -> None:
    packed = records.pack({"b": b"\x00\xff", "n": math.nan, "i": -math.inf, "t": (1, 2.5)})
    assert packed == {
        "b": {"bytes": "AP8="},
        "n": {"float": "nan"},
        "i": {"float": "-inf"},
        "t": [1, 2.5],
    }


def test_numpy_s_own_floats() -> None:
    packed = json.loads(json.dumps(records.pack({"a": np.float64("nan"), "b": np.float64(0.1)})))
    back = records.unpack(packed)
    assert math.isnan(back["a"])
    assert back["b"] == 0.1


@pytest.mark.parametrize("value", [None, {}, object(), np.zeros(2), 1j, [None], bytearray(b"x")])
def test_what_no_record_may_hold(value: object) -> None:
    with pytest.raises(TypeError, match="a record can't hold a"):
        records.pack({"x": value})


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"float": "1.0"},
        {"float": "NaN"},
        {"float": ["nan"]},
        {"bytes": "AP8"},
        {"bytes": "ä"},
        {"bytes": "A P8="},
        {"bytes": 5},
        {"bytes": "", "float": "nan"},
        [[None]],
    ],
)
def test_what_no_pack_has_made(value: object) -> None:
    with pytest.raises(PayloadError, match="a record"):
        records.unpack({"x": value})
