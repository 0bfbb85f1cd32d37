"""What the lossy profiles promise: how much is lost, and what isn't."""

from __future__ import annotations

from typing import Any, Dict, List

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbed import codec
from fedbed.codec import PROFILES
from fedbed.errors import PayloadError, UsageError
from tests.fedbed.codec.strategies import Array, bits, models

LOSSY = [name for name, profile in PROFILES.items() if profile.lossy]
TINY = float(np.finfo(np.float32).tiny)
SHAPES = [(4096,), (5003,), (40_000,), (64, 64), (7, 600), (3, 40_001), (4096, 1), (16, 8, 6, 6)]

Floats = npt.NDArray[np.float32]


@st.composite
def updates(draw: st.DrawFn) -> List[Dict[str, Floats]]:
    """A reference and a model near it: rows of very different sizes, outliers, zeros."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.sampled_from(SHAPES))
    size = 10.0 ** draw(st.integers(-40, 30))
    base = rng.standard_normal(shape) * 10.0 ** draw(st.integers(-3, 1)) * size
    spread = 10.0 ** rng.uniform(-3, 0, (shape[0],) + (1,) * (len(shape) - 1))
    delta = rng.laplace(size=shape) * spread * size
    delta[rng.random(shape) < draw(st.sampled_from([0.0, 0.5, 0.999, 1.0]))] = 0
    if draw(st.booleans()):
        delta.reshape(-1)[rng.integers(delta.size)] = 1e3 * size
    return [{"w": array.astype(np.float32)} for array in (base, base + delta)]


def order(array: Floats) -> Floats:
    """The same values in another memory and byte order."""
    return np.asfortranarray(array.astype(">f4"))


def steps(delta: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The step of each channel, as a column."""
    rows = delta.shape[0] if delta.ndim > 1 and delta[0].size >= 8 else 1
    peak = np.abs(delta.reshape(rows, -1)).max(axis=1, keepdims=True)
    return np.broadcast_to(np.maximum(peak / 62.9, TINY), (rows, delta.size // rows))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(updates(), st.sampled_from(LOSSY), st.booleans(), st.integers(0, 2**64))
def test_errors_are_bounded(
    pair: List[Dict[str, Floats]], profile: str, with_reference: bool, seed: int
) -> None:
    base, model = pair
    reference = base if with_reference else None
    residual: Dict[str, Floats] = {}
    data = codec.encode(model, profile, None, reference, residual, seed)
    other = {"w": order(model["w"])}, {"w": order(base["w"])} if with_reference else None
    assert codec.encode(other[0], profile, None, other[1], {}, seed) == data
    back = codec.decode(data, reference=reference)["w"]
    assert back.dtype == np.float32
    assert back.dtype.isnative
    assert back.shape == model["w"].shape
    assert back.flags.writeable
    assert back.flags.c_contiguous
    start = base["w"].astype("f8") if with_reference else np.zeros(back.shape)
    delta = model["w"] - start
    # float32 rounds the difference and the sum, whatever the profile does in between.
    rounding = 2**-23 * (np.abs(start) + np.abs(model["w"]) + np.abs(back)) + 1e-44
    error = np.abs(back - model["w"].astype("f8"))
    if profile == "bf16":
        assert np.all(error <= 2**-8 * np.abs(delta) + rounding + 1e-40)
    elif profile == "int8":
        allowed = steps(delta).reshape(delta.shape)
        assert np.all(error <= allowed * (1 + 2**-15) + rounding)
    else:
        assert np.all(np.abs(back + residual["w"] - model["w"].astype("f8")) <= 2 * rounding)
        assert np.count_nonzero(back - start) <= -(-delta.size // 8)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(models(), st.sampled_from(LOSSY))
def test_whatever_is_no_large_float32_keeps_every_bit(
    model: Dict[str, Array], profile: str
) -> None:
    model = {**model, "f8": np.linspace(0, 1, 9000), "f2": np.linspace(0, 1, 9000).astype("f2")}
    model = {**model, "i8": np.arange(9000), "c8": np.full(9000, np.nan, "c8")}
    kept = {name: a for name, a in model.items() if a.dtype.name != "float32" or a.size < 4096}
    data = codec.encode(kept, profile, reference={})
    back = codec.decode(data, reference={})
    assert {name: (a.dtype.name, a.shape, bits(a)) for name, a in back.items()} == {
        name: (a.dtype.name, a.shape, bits(a)) for name, a in kept.items()
    }


def test_bf16_rounds_as_the_definition_says() -> None:
    rng = np.random.default_rng(1)
    pattern = rng.integers(0, 2**32, 50_000, dtype=np.uint32)
    pattern[:6] = [0x3F808000, 0x3F818000, 0x3F808001, 0x7F7FFFFF, 0x80000000, 1]
    given_values = pattern.view(np.float32)
    back = codec.decode(codec.encode({"w": given_values}, "bf16"))["w"]
    nan = np.isnan(given_values)
    assert np.array_equal(np.isnan(back), nan)
    low = (pattern & 0xFFFF).astype(np.int64)
    upper = (pattern >> 16).astype(np.int64)
    up = (low > 0x8000) | ((low == 0x8000) & (upper % 2 == 1))
    assert np.array_equal((back.view(np.uint32) >> 16)[~nan], (upper + up)[~nan])
    assert back[:3].tolist() == [1.0, 1.015625, 1.0078125]
    assert np.isinf(back[3])
    assert np.signbit(back[4])


def test_bf16_carries_what_is_not_finite() -> None:
    base = {"w": np.ones(5000, np.float32)}
    model = {"w": np.full(5000, 2, np.float32)}
    model["w"][:3] = [np.nan, np.inf, -np.inf]
    for reference in (None, base):
        data = codec.encode(model, "bf16", reference=reference)
        back = codec.decode(data, reference=reference)["w"]
        np.testing.assert_array_equal(back, model["w"])


@pytest.mark.parametrize("profile", ["int8", "small"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_not_finite_is_refused_and_changes_nothing(profile: str, value: float) -> None:
    first = np.ones(5000, np.float32)
    second = np.ones((50, 100), np.float32)
    second[-1, -1] = value
    residual = {"a": np.ones(5000, np.float32)}
    before = residual["a"]
    with pytest.raises(PayloadError, match=f"array 'b' holds NaN/inf.*profile {profile}.*exact"):
        codec.encode({"a": first, "b": second}, profile, residual=residual)
    assert list(residual) == ["a"]
    assert residual["a"] is before
    assert before.tolist() == [1] * 5000


def test_int8_is_right_on_average_and_its_rows_have_their_own_scales() -> None:
    rng = np.random.default_rng(2)
    spread = np.float32(10.0) ** np.arange(-4, 4, dtype=np.float32)[:, None]
    model = {"w": rng.standard_normal((8, 600)).astype(np.float32) * spread}
    rounds = 400
    mean = np.zeros((8, 600))
    for seed in range(rounds):
        mean += codec.decode(codec.encode(model, "int8", seed=seed))["w"] / rounds
    step = steps(model["w"])
    # The deviation of one is at most half a step; 4800 values stay within 5 of the mean's.
    assert np.abs((mean - model["w"]) / step).max() < 5 * 0.5 / rounds**0.5
    assert abs(float(((mean - model["w"]) / step).mean())) < 5 * 0.5 / (rounds * 4800) ** 0.5


def test_int8_depends_on_its_seed_alone_and_arrays_round_apart() -> None:
    array = np.random.default_rng(3).standard_normal(5000).astype(np.float32)
    model = {"a": array, "b": array}
    assert codec.encode(model, "int8", seed=7) == codec.encode(model, "int8", seed=7)
    assert codec.encode(model, "int8", seed=7) != codec.encode(model, "int8", seed=8)
    back = codec.decode(codec.encode(model, "int8", seed=7))
    assert not np.array_equal(back["a"], back["b"])
    with pytest.raises(UsageError, match="seed is -1"):
        codec.encode(model, "int8", seed=-1)


@pytest.mark.parametrize("compressor", codec.compressors())
def test_small_delivers_all_of_every_update_in_the_end(compressor: str) -> None:
    rng = np.random.default_rng(4)
    model = {"w": rng.standard_normal((100, 90)).astype(np.float32), "b": np.zeros(9, "f4")}
    truth = {name: np.zeros(a.shape) for name, a in model.items()}
    came = {name: np.zeros(a.shape) for name, a in model.items()}
    residual: Dict[str, Floats] = {}
    for number in range(40):
        moves = rng.laplace(size=(100, 90)) if number < 10 else np.zeros((100, 90))
        trained = {"w": model["w"] + moves.astype("f4"), "b": model["b"] + np.float32(1)}
        data = codec.encode(trained, "small", compressor, model, residual)
        back = codec.decode(data, reference=model)
        for name in model:
            truth[name] += trained[name].astype("f8") - model[name]
            came[name] += back[name].astype("f8") - model[name]
        assert list(residual) == ["w"]
        np.testing.assert_allclose(came["w"] + residual["w"], truth["w"], atol=1e-4)
        np.testing.assert_array_equal(came["b"], truth["b"])
        model = back
    # Once nothing new comes, what was kept back is sent round by round.
    assert np.abs(residual["w"]).max() < 0.05 * np.abs(truth["w"]).max()


def test_small_sends_the_largest_and_of_equals_the_first() -> None:
    array = np.zeros(8000, np.float32)
    array[4000:7000] = 1
    array[7500:7900] = -2
    back = codec.decode(codec.encode({"w": array}, "small"))["w"]
    sent = np.flatnonzero(back)
    assert sent.tolist() == [*range(4000, 4600), *range(7500, 7900)]
    few = np.zeros(8000, np.float32)
    few[-3:] = 1
    assert np.flatnonzero(codec.decode(codec.encode({"w": few}, "small"))["w"]).size == 3
    assert not codec.decode(codec.encode({"w": 0 * few}, "small"))["w"].any()


def test_a_residual_of_another_kind_is_refused() -> None:
    model = {"w": np.zeros((50, 100), np.float32)}
    wrong: Any
    for wrong in (np.zeros(5000, np.float32), np.zeros((50, 100))):
        with pytest.raises(PayloadError, match=r"'w': its residual is .*not float32\[50, 100\]"):
            codec.encode(model, "small", residual={"w": wrong})


@pytest.mark.parametrize("profile", ["raw", "exact"])
def test_exact_profiles_need_no_reference(profile: str) -> None:
    model = {"w": np.random.default_rng(5).standard_normal(5000).astype(np.float32)}
    residual: Dict[str, Floats] = {}
    data = codec.encode(model, profile, None, model, residual, 3)
    assert data == codec.encode(model, profile)
    assert residual == {}
    assert codec.Payload.from_bytes(data).needs_reference is None


@pytest.mark.parametrize(("profile", "share"), [("bf16", 0.36), ("int8", 0.21), ("small", 0.053)])
@pytest.mark.parametrize("compressor", codec.compressors())
def test_updates_shrink(profile: str, share: float, compressor: str) -> None:
    rng = np.random.default_rng(6)
    delta = {"w": (rng.standard_normal((256, 2304)) * 1e-3).astype(np.float32)}
    size = len(codec.encode(delta, profile, compressor))
    assert size < share * delta["w"].nbytes
