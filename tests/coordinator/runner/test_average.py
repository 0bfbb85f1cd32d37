from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coordinator.runner import average as module
from coordinator.runner.average import average
from coordinator.runner.replies import SpooledArray
from fedbed import codec, flower

Values = np.ndarray[Any, Any]
Model = dict[str, Values]
DTYPES = ("float16", "float32", "float64", "int8", "int64", "uint16", "bool", "complex64")


def content(record: ArrayRecord, weight: float) -> RecordDict:
    return RecordDict({"arrays": record, "metrics": MetricRecord({"n": weight})})


def spooled(model: Model, weight: float, profile: str = "raw") -> RecordDict:
    """Return a reply's content whose arrays lie in a payload."""
    payload = codec.Payload.from_bytes(codec.encode(model, profile))
    record = ArrayRecord()
    for spec in payload.specs:
        record[spec.name] = SpooledArray(payload, spec)
    return content(record, weight)


def same(ours: ArrayRecord, theirs: ArrayRecord) -> None:
    assert list(ours) == list(theirs)
    for name, expected in theirs.items():
        array = ours[name]
        assert (array.dtype, array.shape, array.stype, array.data) == (
            expected.dtype,
            expected.shape,
            expected.stype,
            expected.data,
        ), name


@st.composite
def updates(draw: st.DrawFn) -> tuple[list[Model], list[float]]:
    """Some nodes' arrays of the same names, dtypes and shapes; weights that don't vanish."""
    nodes = draw(st.integers(1, 4))
    models: list[Model] = [{} for _ in range(nodes)]
    for index in range(draw(st.integers(1, 3))):
        dtype = draw(st.sampled_from(DTYPES))
        shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
        for model in models:
            model[f"array {index}"] = draw(hnp.arrays(dtype, shape))
    weight = st.one_of(st.integers(1, 10**12), st.floats(1e-6, 1e30))
    return models, draw(st.lists(weight, min_size=nodes, max_size=nodes))


@settings(deadline=None)
@given(updates(), st.sampled_from(["raw", "exact"]), st.sampled_from([3, 1 << 16]))
def test_the_average_has_the_bits_of_flwr_s(
    given_updates: tuple[list[Model], list[float]], profile: str, block: int
) -> None:
    models, weights = given_updates
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(module, "BLOCK_ITEMS", block)
        lazy = [spooled(m, w, profile) for m, w in zip(models, weights, strict=True)]
        eager = [content(flower.array_of(m), w) for m, w in zip(models, weights, strict=True)]
        expected = aggregate_arrayrecords(eager, "n")
        same(average(lazy, "n"), expected)
        same(average(eager, "n"), expected)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
def test_the_average_is_as_exact_as_its_dtype(dtype: str) -> None:
    rng = np.random.default_rng(5)
    nodes = 20
    models = [{"w": (rng.normal(0, 3, (300, 700)) * 4).astype(dtype)} for _ in range(nodes)]
    weights = [float(w) for w in rng.integers(1, 1000, nodes)]
    made = average([spooled(m, w) for m, w in zip(models, weights, strict=True)], "n")["w"].numpy()
    shares = [np.longdouble(w) / np.longdouble(sum(weights)) for w in weights]
    terms = [m["w"].astype(np.longdouble) * s for m, s in zip(models, shares, strict=True)]
    # Each share, product and addition rounds once: Higham, "Accuracy and Stability", section 3.1.
    bound = (nodes + 2) * np.finfo(made.dtype).eps * sum(np.abs(t) for t in terms)
    assert made.dtype == ("float64" if dtype == "int32" else dtype)
    assert (np.abs(made - sum(terms)) <= bound).all()


def test_differences_to_the_sent_model_are_averaged_as_what_they_decode_to() -> None:
    rng = np.random.default_rng(6)
    sent = {"w": rng.normal(0, 1, (100, 100)).astype("f4"), "b": np.ones(7, "f4")}
    reference = codec.Reference(sent)
    lazy, eager = [], []
    for node in range(3):
        trained = {k: (v + rng.normal(0, 0.1, v.shape)).astype("f4") for k, v in sent.items()}
        data = codec.encode(trained, "bf16", reference=sent)
        payload = codec.Payload.from_bytes(data, reference=reference)
        record = ArrayRecord()
        for spec in payload.specs:
            record[spec.name] = SpooledArray(payload, spec)
        lazy.append(content(record, node + 1))
        eager.append(content(flower.array_of(payload.arrays()), node + 1))
    same(average(lazy, "n"), aggregate_arrayrecords(eager, "n"))


def test_records_that_differ_are_treated_as_flwr_does() -> None:
    def both(models: list[Model]) -> tuple[list[RecordDict], list[RecordDict]]:
        return (
            [spooled(m, i + 1) for i, m in enumerate(models)],
            [content(flower.array_of(m), i + 1) for i, m in enumerate(models)],
        )

    three, scalar = np.arange(3, dtype="f4"), np.asarray(2.5, "f4")
    for models in (
        [{"a": three}, {"a": three.astype("f8"), "b": three}],
        [{"a": three}, {"a": scalar}],
        [{"a": scalar}, {"a": three}, {"a": scalar.astype("f8")}],
    ):
        lazy, eager = both([dict(model) for model in models])
        same(average(lazy, "n"), aggregate_arrayrecords(eager, "n"))
    for lazy_or_eager in both([{"a": three}, {"a": np.arange(4, dtype="f4")}]):
        with pytest.raises(ValueError, match="shape"):
            average(lazy_or_eager, "n")
    with pytest.raises(ZeroDivisionError):
        average([spooled({"a": three}, 0)], "n")


def test_the_result_is_an_array_like_flwr_s() -> None:
    values = np.arange(6, dtype="f4").reshape(2, 3)
    held, expected = flower.HeldArray(values), Array(values)
    copy = held.numpy()
    copy[:] = 0
    assert held.numpy().tolist() == values.tolist()
    assert (held.dtype, held.shape, held.stype, held.data) == (
        expected.dtype,
        expected.shape,
        expected.stype,
        expected.data,
    )
    assert ArrayRecord({"a": held}).object_id == ArrayRecord({"a": expected}).object_id


def test_more_updates_than_files_may_be_held_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 0
    paths = []
    for node in range(5):
        path = tmp_path / str(node)
        path.write_bytes(codec.encode({"a": np.full(10, node, "f4")}, "raw"))
        paths.append(path)
    records = []
    for path in paths:
        payload = codec.Payload.open(path)
        record = ArrayRecord()
        record["a"] = SpooledArray(payload, payload.specs[0])
        records.append(content(record, 1))
    read = codec.Payload.read_items

    def watched(self: codec.Payload, name: str, start: int, out: Values) -> None:
        nonlocal most
        read(self, name, start, out)
        opened = {file.path for file in psutil.Process().open_files()}
        most = max(most, len(opened & {str(path) for path in paths}))

    monkeypatch.setattr(codec.Payload, "read_items", watched)
    monkeypatch.setattr(module, "MAX_HELD", 2)
    assert average(records, "n")["a"].numpy().tolist() == [2.0] * 10
    assert most == 2
    opened = {file.path for file in psutil.Process().open_files()}
    assert not opened & {str(path) for path in paths}
