from __future__ import annotations

import numpy as np
import pytest

from fedbed.codec import planes


def items(count: int, width: int) -> planes.Bytes:
    return np.random.default_rng(8).integers(0, 256, (count, width)).astype(np.uint8)


def test_planes_that_do_not_pay_are_not_even_transposed() -> None:
    seen = []

    def squeeze(data: memoryview) -> bytes:
        seen.append(len(data))
        return bytes(len(data))

    assert planes.split(items(100_000, 4), squeeze) == []
    assert seen == [16_384] * 4


def test_a_sample_that_promised_too_much_costs_nothing_but_time() -> None:
    def squeeze(data: memoryview) -> bytes:
        return bytes(10 if len(data) == 16_384 else len(data))

    given = items(100_000, 2)
    parts = planes.split(given, squeeze)
    assert [packed for packed, _ in parts] == [False, False]
    assert [bytes(part) for _, part in parts] == [given[:, byte].tobytes() for byte in range(2)]


@pytest.mark.parametrize("count", [1, 16_384, 16_385, 16_392, 1_000_003])
def test_the_sample_is_short_and_comes_from_all_over(count: int) -> None:
    plane = np.linspace(0, 255, count).astype(np.uint8)
    sample = planes._sample(plane)
    assert sample.size == min(count, 16_384)
    assert sample[0] == plane[0]
    assert int(sample[-1]) >= 254 or count == 1
