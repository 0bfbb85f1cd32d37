from __future__ import annotations

import numpy as np

from coordinator.runner.kept import KeptArrays


def test_an_array_is_handed_out_once() -> None:
    kept = KeptArrays()
    array = np.ones(3)
    kept.keep("a", array)
    assert kept.take("a") is array
    assert kept.take("a") is None


def test_no_more_is_kept_than_fits() -> None:
    kept = KeptArrays(limit_bytes=16)
    kept.keep("a", np.ones(1))
    kept.keep("a", np.ones(1))
    kept.keep("b", np.ones(1))
    kept.keep("c", np.ones(1))
    assert kept.take("c") is None
    assert kept.take("b") is not None
    kept.keep("c", np.ones(1))
    assert kept.take("c") is not None
    kept.clear()
    assert kept.take("a") is None
    kept.keep("d", np.ones(2))
    assert kept.take("d") is not None
