"""The weighted average of updates as a stream: array by array, in blocks that fit a core's cache.

It stands in for flwr's `aggregate_arrayrecords` below every strategy that averages, and gives the
same bits: each update is multiplied by its share and added, in the order of the replies, in the
dtype that flwr takes for it (that of the arrays for floats, float64 for integers and bool). To sum
float32 in float64 would be closer to the truth by a last bit, at three fifths of the speed; and
an app would then learn another model here than under `flwr run`.

What differs is what it holds: never an update per node, nor a whole one, but the array being summed
and, where that isn't stored plainly, the decoded arrays of two nodes: large ones are decoded ahead
on a second core, and added in their order all the same.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from flwr.app import Array, ArrayRecord, RecordDict

from coordinator.runner.replies import SpooledArray
from fedbed.flower import HeldArray

Values = npt.NDArray[Any]
Buffers = npt.NDArray[np.uint8]
"""Two blocks' worth of bytes, for what was read and for what was scaled."""

Term = tuple[Array, float]
"""An array and the share that it has in the sum."""

BLOCK_ITEMS = 1 << 16
"""Items of one block: two buffers of it in float32 fit a core's cache of 1 MB."""

MAX_ITEM_BYTES = 32
"""Bytes of the widest item that numpy has, a complex of two long doubles."""

AHEAD = 2
"""Large arrays that are decoded at a time."""

LARGE_BYTES = 256 * 1024
"""Below this, handing an array to a thread costs more than it saves."""

MAX_HELD = 128
"""Files that stay open while an average is made; a process may often have 1,024 in all."""


def average(records: list[RecordDict], weighted_by: str) -> ArrayRecord:
    """Return the average of the records' arrays, by name.

    weighted_by: the key of each record's first metrics that holds its weight.

    Where names, shapes or dtypes differ among the records, it goes by numpy's rules for
    `sum += array * share`, as flwr does, and raises numpy's errors.
    """
    weights = [cast(float, _first_metrics(record)[weighted_by]) for record in records]
    total = sum(weights)
    shares = [
        (arrays, weight / total)
        for record, weight in zip(records, weights, strict=True)
        for arrays in record.array_records.values()
    ]
    averaged = ArrayRecord()
    buffers = np.empty((2, BLOCK_ITEMS * MAX_ITEM_BYTES), np.uint8)
    with ExitStack() as files, ThreadPoolExecutor(AHEAD, "decode") as pool:
        for arrays, _ in shares[:MAX_HELD]:
            one = next(iter(arrays.values()), None)
            if isinstance(one, SpooledArray):
                files.enter_context(one.payload.held())
        for name in dict.fromkeys(name for arrays, _ in shares for name in arrays):
            terms = [(arrays[name], share) for arrays, share in shares if name in arrays]
            averaged[name] = HeldArray(_weighted_sum(terms, buffers, pool))
    return averaged


def _weighted_sum(terms: Sequence[Term], buffers: Buffers, pool: Executor) -> Values:
    """Return the sum of arrays times their shares."""
    first = terms[0][0]
    if all(
        isinstance(array, SpooledArray)
        and array.is_plain
        and (array.dtype, array.shape) == (first.dtype, first.shape)
        for array, _ in terms
    ):
        return _sum_plain(cast(Sequence[tuple[SpooledArray, float]], terms), buffers)
    return _sum_decoded(terms, buffers, pool)


def _sum_plain(terms: Sequence[tuple[SpooledArray, float]], buffers: Buffers) -> Values:
    """Sum block by block, that of all nodes before the next: only the sums leave the cache."""
    first, first_share = terms[0]
    dtype = np.dtype(first.dtype)
    total = np.empty(first.shape, _dtype_of_product(dtype))
    flat = total.reshape(-1)
    # Little-endian, as in the file; scaled in place where the dtype stays.
    items = buffers[0].view(dtype.newbyteorder("<"))
    scaled = items if items.dtype == total.dtype else buffers[1].view(total.dtype)
    for start in range(0, flat.size, BLOCK_ITEMS):
        block = flat[start : start + BLOCK_ITEMS]
        here, product = items[: block.size], scaled[: block.size]
        first.read_items(start, here)
        np.multiply(here, first_share, out=block)
        for array, share in terms[1:]:
            array.read_items(start, here)
            np.multiply(here, share, out=product)
            np.add(block, product, out=block)
    return total


def _sum_decoded(terms: Sequence[Term], buffers: Buffers, pool: Executor) -> Values:
    """Sum node by node."""
    decoded = _decoded([array for array, _ in terms], pool)
    values = next(decoded)
    dtype = values.dtype
    total = np.empty(values.shape, _dtype_of_product(dtype))
    np.multiply(values, terms[0][1], out=total)
    for (_, share), values in zip(terms[1:], decoded, strict=True):
        if (values.dtype, values.shape) == (dtype, total.shape):
            _add_scaled(total.reshape(-1), values.reshape(-1), share, buffers)
        else:
            # To flwr a 0-d sum is a scalar, which becomes what numpy makes of it.
            held = total[()]
            held += values * share
            total = np.asarray(held)
    return total


def _decoded(arrays: Sequence[Array], pool: Executor) -> Iterator[Values]:
    """Yield the arrays' values in order."""
    first = arrays[0]
    if math.prod(first.shape) * np.dtype(first.dtype).itemsize < LARGE_BYTES:
        yield from (array.numpy() for array in arrays)
        return
    coming: deque[Future[Values]] = deque()
    for array in arrays:
        coming.append(pool.submit(array.numpy))
        if len(coming) == AHEAD:
            yield coming.popleft().result()
    while coming:
        yield coming.popleft().result()


def _add_scaled(total: Values, values: Values, share: float, buffers: Buffers) -> None:
    scaled = buffers[1].view(total.dtype)
    for start in range(0, total.size, BLOCK_ITEMS):
        block = total[start : start + BLOCK_ITEMS]
        product = scaled[: block.size]
        np.multiply(values[start : start + BLOCK_ITEMS], share, out=product)
        np.add(block, product, out=block)


def _dtype_of_product(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that numpy gives an array of `dtype` times a Python float."""
    product: Values = np.empty(1, dtype) * 1.0
    return product.dtype


def _first_metrics(record: RecordDict) -> Any:
    return next(iter(record.metric_records.values()))
