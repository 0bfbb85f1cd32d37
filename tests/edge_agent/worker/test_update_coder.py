from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.residuals import Residuals
from edge_agent.worker.update_coder import UpdateCoder
from fedbed import codec
from fedbed.errors import PayloadError
from fedbed.link.messages import AppRef, WorkItem

BLOB = "cd" * 32
ITEM = WorkItem(
    id="run.000001.0",
    run="run",
    round=1,
    kind="train",
    app=AppRef("task", "mnist_mlp"),
    partition=0,
    partitions=1,
    records=[],
    codec="small",
    compressor="zlib",
    max_bytes=1 << 24,
    codec_seed=5,
)
Arrays = dict[str, "np.ndarray[Any, Any]"]


def model(seed: int, scale: float = 1.0) -> Arrays:
    rng = np.random.default_rng(seed)
    return {
        "w": (scale * rng.standard_normal((80, 100))).astype(np.float32),
        "b": (scale * rng.standard_normal(80)).astype(np.float32),
    }


def trained(round_number: int) -> Arrays:
    steps = model(100 + round_number, 0.01)
    return {name: array + steps[name] for name, array in model(1).items()}


SENT = codec.Reference(model(1), BLOB)


@pytest.fixture
def residuals(tmp_path: Path) -> Residuals:
    return Residuals(tmp_path / "residuals")


def answer(residuals: Residuals, number: int, profile: str = "small") -> bytes:
    item = replace(ITEM, id=f"run.{number:06d}.0", codec=profile, codec_seed=number)
    coder = UpdateCoder(item, {"arrays": SENT}, residuals)
    data = coder.encode("arrays", trained(number))
    coder.finish()
    return data


def learnt(data: bytes) -> Any:
    back = codec.decode(data, reference=SENT)
    return back["w"].astype(np.float64) - model(1)["w"]


@pytest.mark.parametrize("profile", ["bf16", "int8", "small"])
def test_lossy_profiles_send_differences_to_the_blob_that_came(
    residuals: Residuals, profile: str
) -> None:
    data = answer(residuals, 1, profile)
    assert codec.Payload.from_bytes(data).needs_reference == BLOB
    assert codec.Payload.from_bytes(data).profile == profile
    back = codec.decode(data, reference=SENT)
    assert np.array_equal(back["b"], trained(1)["b"])
    change = np.abs(trained(1)["w"] - model(1)["w"]).mean()
    assert 0 < np.abs(back["w"] - trained(1)["w"]).mean() < 0.9 * change


@pytest.mark.parametrize("profile", ["raw", "exact"])
def test_lossless_profiles_need_no_reference(residuals: Residuals, profile: str) -> None:
    back = codec.decode(answer(residuals, 1, profile))
    assert all(np.array_equal(back[name], array) for name, array in trained(1).items())


def test_what_an_update_leaves_out_the_next_ones_carry(residuals: Residuals) -> None:
    rounds = 60
    got = sum(learnt(answer(residuals, number)) for number in range(1, rounds + 1))
    truth = sum(trained(n)["w"].astype(np.float64) - model(1)["w"] for n in range(1, rounds + 1))
    # What is still to come is bounded, whatever the number of rounds: that of a few of them.
    assert np.abs(got - truth).mean() < 0.5 * np.abs(truth).mean()
    left = codec.decode(residuals_of(residuals, rounds + 1).read_bytes())["arrays/w"]
    np.testing.assert_allclose(got + left, truth, atol=0.05 * np.abs(left).max())


def residuals_of(residuals: Residuals, number: int) -> Path:
    path = residuals.before(f"run.{number:06d}.0")
    assert path is not None
    return path


def test_an_update_made_again_has_the_same_bytes(residuals: Residuals) -> None:
    answer(residuals, 1)
    second = answer(residuals, 2)
    assert answer(residuals, 2) == second
    restarted = Residuals(residuals.before("run.000002.0").parent)  # type: ignore[union-attr]
    assert answer(restarted, 2) == second
    third = answer(residuals, 3)
    residuals.forget("run.000003.0")
    assert answer(residuals, 3) == third


def test_a_damaged_residual_counts_as_none(residuals: Residuals, caplog: Any) -> None:
    fresh = answer(residuals, 1)
    residuals_of(residuals, 2).write_bytes(b"rubbish")
    data = answer(residuals, 2)
    assert "left out is lost" in caplog.text
    assert len(data) < 2 * len(fresh)


@pytest.mark.parametrize(
    "reply",
    [
        {"other": np.zeros(5000, np.float32)},
        {"w": np.zeros((100, 80), np.float32), "b": np.zeros(80, np.float32)},
        {"w": np.zeros((80, 100), np.float64), "b": np.zeros(80, np.float32)},
    ],
)
def test_what_is_no_update_of_the_model_travels_exactly(
    residuals: Residuals, reply: Arrays
) -> None:
    coder = UpdateCoder(ITEM, {"arrays": SENT}, residuals)
    payload = codec.Payload.from_bytes(coder.encode("arrays", reply))
    assert (payload.profile, payload.needs_reference) == ("exact", None)
    payload = codec.Payload.from_bytes(coder.encode("elsewhere", model(1)))
    assert (payload.profile, payload.needs_reference) == ("exact", None)
    coder.finish()
    assert residuals.before("run.000002.0") is None


def test_a_profile_of_a_later_version_is_refused_by_name(residuals: Residuals) -> None:
    with pytest.raises(PayloadError, match="knows no codec profile 'fancy': update its agent"):
        UpdateCoder(replace(ITEM, codec="fancy"), {}, residuals)
