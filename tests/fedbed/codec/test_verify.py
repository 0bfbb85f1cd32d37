from __future__ import annotations

from typing import Any, List

import numpy as np
import pytest

from fedbed import codec
from fedbed.codec import ArraySpec, Payload
from fedbed.errors import PayloadError

SPECS = [ArraySpec("w", "float32", (2, 3)), ArraySpec("b", "int64", (3,))]


def sent(**changes: Any) -> Payload:
    model = {"w": np.zeros((2, 3), "f4"), "b": np.zeros(3, "i8"), **changes}
    return Payload.from_bytes(
        codec.encode({name: array for name, array in model.items() if array is not None})
    )


def test_the_expected_passes() -> None:
    sent().verify(SPECS)
    sent().verify()


@pytest.mark.parametrize(
    ("payload", "expect", "message"),
    [
        (sent(b=None), SPECS, r"array 'b' is missing; 1 arrays \('w'\) came"),
        (sent(c=np.zeros(1)), SPECS, r"array 'c' came and isn't expected; 2 arrays \('w', 'b'\)"),
        (sent(), SPECS[::-1], "another order: expected 'b', came 'w'"),
        (
            sent(w=np.zeros((3, 2), "f4")),
            SPECS,
            r"array 'w': expected float32\[2, 3\], came float32\[3, 2\]",
        ),
        (
            sent(b=np.zeros(3, "i4")),
            SPECS,
            r"array 'b': expected int64\[3\], came int32\[3\]",
        ),
    ],
)
def test_the_unexpected_is_named(payload: Payload, expect: List[ArraySpec], message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        payload.verify(expect)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16"])
def test_values_that_are_not_finite(value: float, dtype: str) -> None:
    array = np.zeros((2, 3), dtype)
    array[1, 1] = value
    payload = sent(w=array)
    with pytest.raises(PayloadError, match="array 'w': 1 of 6 values are NaN or infinite"):
        payload.verify()
    payload.verify(finite=False)


def test_a_changed_body_is_noticed() -> None:
    data = bytearray(codec.encode({"w": np.ones(100, "f4")}, "raw"))
    data[-1] ^= 1
    payload = Payload.from_bytes(bytes(data))
    payload.read("w")
    with pytest.raises(PayloadError, match="sha256"):
        payload.verify()
    with pytest.raises(PayloadError, match="sha256"):
        codec.decode(bytes(data))


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((-1,), "int8"),
        ((True,), "int8"),
        ((1.0,), "int8"),
        ([1], "int8"),
        ((1,) * 33, "int8"),
        ((2**62, 2**62), "int8"),
        ((0, 2**62), "float32"),
        ((2**70, 0), "int8"),
        ((1,), "bfloat16"),
        ((1,), "<f4"),
        ((1,), None),
    ],
)
def test_impossible_specs_are_refused(shape: Any, dtype: Any) -> None:
    with pytest.raises(PayloadError):
        ArraySpec("w", dtype, shape)
