from __future__ import annotations

import numpy as np

from benchmarks import pipelines

VALUES = np.random.default_rng(1).standard_normal((40, 50)).astype(np.float32)
UPDATE: pipelines.Arrays = {"weight": VALUES, "bias": VALUES[0].copy()}


def test_json_keeps_every_bit_and_grows() -> None:
    text = pipelines.to_json(UPDATE)
    back = pipelines.from_json(text)
    assert list(back) == ["weight", "bias"]
    np.testing.assert_array_equal(back["weight"], VALUES)
    assert back["weight"].dtype == np.float32
    assert len(text) > 4 * VALUES.nbytes


def test_halves_keep_eight_bits_of_mantissa_in_less_than_half_the_bytes() -> None:
    payload = pipelines.to_halves(UPDATE)
    back = pipelines.from_halves(payload)
    np.testing.assert_allclose(back["weight"], VALUES, rtol=2**-8)
    assert back["weight"].dtype == np.float32
    assert np.any(back["weight"] != VALUES)
    assert len(payload) < VALUES.nbytes / 2
