"""Arrays of every kind that the format holds, for Hypothesis."""

from __future__ import annotations

from typing import Any, Dict, cast

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedbed.codec.spec import ITEM_BYTES

Array = npt.NDArray[Any]


@st.composite
def arrays(draw: st.DrawFn) -> Array:
    """Any bits, so that NaN payloads, infinities and denormals come too."""
    dtype = np.dtype(draw(st.sampled_from(sorted(ITEM_BYTES))))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    repeat = draw(st.sampled_from([1, 1, 300]))  # the long ones are taken apart into planes
    count = int(np.prod(shape, dtype=int))
    bits = draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize))
    if dtype.kind == "b":
        bits = bytes(byte & 1 for byte in bits)
    array = np.frombuffer(bits, dtype.newbyteorder("<")).reshape(shape)
    if repeat > 1:
        array = np.stack([array] * repeat)
    array = array.astype(dtype.newbyteorder(draw(st.sampled_from("<>"))))
    form = draw(st.sampled_from(["C", "F", "reversed", "strided"]))
    if form == "F":
        return np.asfortranarray(array)
    if form == "reversed":
        return cast(Array, np.flip(array))
    if form == "strided" and array.ndim:
        return np.repeat(array, 2, axis=-1)[..., ::2]
    return array


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def models() -> st.SearchStrategy[Dict[str, Array]]:
    return st.dictionaries(names, arrays(), max_size=4)


def bits(array: Array) -> bytes:
    """The items as little-endian bytes in C order, by other means than the codec's."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes(order="C")
