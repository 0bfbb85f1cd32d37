"""Payloads that are differences: which model they need, and what happens without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional

import numpy as np
import pytest

from fedbed import codec
from fedbed.codec import ArraySpec, Payload
from fedbed.errors import PayloadError

LOSSY = [name for name, profile in codec.PROFILES.items() if profile.lossy]


def model(seed: int) -> Dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "w": rng.standard_normal((50, 100)).astype(np.float32),
        "count": np.array(seed),
        "v": rng.standard_normal(6000).astype(np.float32),
    }


def test_the_fingerprint_is_of_names_dtypes_shapes_and_bytes() -> None:
    one = model(1)
    mark = codec.fingerprint(one)
    assert len(bytes.fromhex(mark)) == 32
    reordered = {name: np.array(one[name], order="F") for name in sorted(one)}
    assert codec.fingerprint(reordered) == mark
    assert codec.fingerprint({**one, "w": one["w"].astype(">f4")}) == mark
    changed = one["w"].copy()
    changed[3, 4] = np.nextafter(changed[3, 4], np.float32(9))
    others = [
        {**one, "w": changed},
        {**one, "w": one["w"].reshape(100, 50)},
        {**one, "w": one["w"].view(np.int32)},
        {"W": one["w"], "count": one["count"], "v": one["v"]},
        {"w": one["w"], "v": one["v"]},
    ]
    assert len({mark, *map(codec.fingerprint, others)}) == 6
    with pytest.raises(PayloadError, match="'object' can't be sent"):
        codec.fingerprint({"w": np.array([None])})
    # Nodes of another version must agree, so the value itself is fixed.
    assert codec.fingerprint({}) == (
        "37517e5f3dc66819f61f5a7bb8ace1921282415f10551d2defa5c3eb0985b570"
    )


@pytest.mark.parametrize("profile", LOSSY)
def test_a_difference_is_read_with_its_reference_only(profile: str, tmp_path: Path) -> None:
    reference, trained = model(1), model(2)
    data = codec.encode(trained, profile, reference=reference)
    path = tmp_path / "update"
    path.write_bytes(data)
    copy = {name: np.array(array) for name, array in reversed(list(reference.items()))}
    with Payload.open(path, reference=copy) as payload:
        assert payload.needs_reference == codec.fingerprint(reference)
        assert payload.specs == [ArraySpec(n, a.dtype.name, a.shape) for n, a in trained.items()]
        payload.verify(payload.specs)
        whole = codec.decode(data, reference=reference)
        for name, array in payload.arrays().items():
            np.testing.assert_array_equal(array, whole[name])
            np.testing.assert_array_equal(payload.read(name), whole[name])
    for name, array in reference.items():
        np.testing.assert_array_equal(array, copy[name])
    wrong: Optional[Dict[str, Any]]
    for wrong, message in [
        (None, "is a difference to model [0-9a-f]{64}: give"),
        (trained, "not to [0-9a-f]{64}, the reference given"),
        ({}, "not to"),
    ]:
        payload = Payload.from_bytes(data, reference=wrong)
        assert payload.read("count") == 2
        for attempt in (lambda p=payload: p.read("w"), payload.arrays):
            with pytest.raises(PayloadError, match=message):
                attempt()
        if wrong is not None:
            with pytest.raises(PayloadError, match=message):
                payload.verify()
        with pytest.raises(PayloadError, match=message):
            codec.decode(data, reference=wrong)


@pytest.mark.parametrize("profile", LOSSY)
@pytest.mark.parametrize(
    "other", [{}, {"w": np.zeros((100, 50), "f4")}, {"w": np.zeros((50, 100))}]
)
def test_a_reference_must_have_the_like_of_each_lossy_array(
    profile: str, other: Dict[str, Any]
) -> None:
    with pytest.raises(PayloadError, match="'w': the reference has none of that name, dtype"):
        codec.encode(model(1), profile, reference=other)


@pytest.mark.parametrize("profile", LOSSY)
def test_without_a_reference_the_arrays_themselves_travel(profile: str) -> None:
    data = codec.encode(model(1), profile)
    assert Payload.from_bytes(data).needs_reference is None
    back = codec.decode(data)
    assert np.abs(back["w"] - model(1)["w"]).max() < 3
    assert np.array_equal(codec.decode(data, reference=model(2))["w"], back["w"])


@pytest.mark.parametrize("profile", LOSSY)
def test_the_two_sides_may_have_a_name_of_their_own_for_the_reference(profile: str) -> None:
    sent, trained, mark = model(1), model(2), "ab" * 32
    data = codec.encode(trained, profile, reference=codec.Reference(sent, mark))
    assert Payload.from_bytes(data).needs_reference == mark
    with pytest.raises(PayloadError, match=f"difference to model {mark}, not to"):
        codec.decode(data, reference=sent)
    back = codec.decode(data, reference=codec.Reference(sent, mark))
    np.testing.assert_array_equal(back["w"], _plainly(profile, trained, sent))
    # Whoever was sent a coarser copy of a model is answered in terms of the model itself.
    finer = {name: array + array.dtype.type(1) for name, array in sent.items()}
    moved = codec.decode(data, reference=codec.Reference(finer, mark))
    np.testing.assert_allclose(moved["w"] - back["w"], 1, rtol=1e-5)


def _plainly(profile: str, trained: Dict[str, Any], sent: Dict[str, Any]) -> Any:
    return codec.decode(codec.encode(trained, profile, reference=sent), reference=sent)["w"]


@pytest.mark.parametrize("profile", LOSSY)
def test_a_difference_is_verified_without_its_reference(profile: str) -> None:
    data = codec.encode(model(2), profile, reference=model(1))
    payload = Payload.from_bytes(data)
    payload.verify(payload.specs)
    damaged = data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(PayloadError, match="damaged"):
        Payload.from_bytes(damaged).verify()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_a_difference_that_could_make_a_sum_infinite_is_no_finite_one(bad: float) -> None:
    trained = model(2)
    trained["w"] = trained["w"].copy()
    trained["w"][3, 4] = bad
    payload = Payload.from_bytes(codec.encode(trained, "bf16", reference=model(1)))
    with pytest.raises(PayloadError, match="'w': 1 of 5000 values are NaN or infinite"):
        payload.verify()
    payload.verify(finite=False)


def test_a_hash_that_the_caller_has_checked_is_not_checked_again() -> None:
    data = bytearray(codec.encode(model(1), "raw"))
    data[-1] ^= 1
    payload = Payload.from_bytes(bytes(data))
    payload.verify(hashed=True)
    with pytest.raises(PayloadError, match="damaged"):
        payload.verify()
