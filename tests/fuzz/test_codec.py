"""Codec, envelope, messages and records: one class of error, whatever comes in."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.runs import answers
from fedbed.errors import PayloadError
from fedbed.link import messages, records
from fedbed.link.messages import JoinReply, JoinRequest, PollReply, PollRequest, WorkItem, parse
from tests.fuzz import hurt, payloads
from tests.fuzz.depth import DEEP, examples

CLASSES = [
    each
    for each in vars(messages).values()
    if dataclasses.is_dataclass(each) and isinstance(each, type)
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["float", "bytes", "nan", "aGk=", "arrays", "metrics", "config"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=6) | st.sampled_from(["float", "bytes"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


def test_a_soak_finds_one_class_of_error() -> None:
    tally, _ = payloads.soak(20_000 if DEEP else 800, seed=2)
    assert set(tally.errors) == {PayloadError.__name__}, tally.first
    assert tally.accepted > 0
    assert set(tally.ways) == {way.__name__ for way in hurt.WAYS}


def test_what_nobody_hurt_is_accepted(tmp_path: Any) -> None:
    for data in [*hurt.payloads(), *(hurt.result("i", p) for p in ("raw", "exact", "small"))]:
        payloads.attempt(data, tmp_path / "result")


def test_the_soak_notices_another_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("w")

    monkeypatch.setattr(payloads, "attempt", broken)
    tally, _ = payloads.soak(3, seed=1)
    assert tally.errors == {"KeyError": 3}
    assert tally.first == {"KeyError": 0}
    with pytest.raises(KeyError):
        payloads.repeat(1, 0)


@examples(quick=60, deep=5000)
@given(st.sampled_from(CLASSES), st.data())
def test_a_message_of_any_json(cls: Any, data: st.DataObject) -> None:
    fields = [f.name for f in dataclasses.fields(cls)]
    value = data.draw(JSON | st.dictionaries(st.sampled_from(fields), JSON))
    try:
        made = parse(cls, cast(Any, value))
    except (TypeError, ValueError):
        return
    assert isinstance(made, cls)
    assert parse(cls, messages.unparse(made)) == made or "nan" in repr(made)


@pytest.mark.parametrize("cls", [JoinRequest, JoinReply, PollRequest, PollReply, WorkItem])
def test_a_message_nested_without_end_is_an_error_that_is_documented(cls: Any) -> None:
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    for field in dataclasses.fields(cls):
        with contextlib.suppress(TypeError, ValueError):
            parse(cls, {field.name: deep})


@examples(quick=60, deep=5000)
@given(st.dictionaries(st.text(max_size=6), JSON, max_size=5) | JSON)
def test_records_of_any_json(value: Any) -> None:
    if not isinstance(value, dict):
        return
    try:
        unpacked = records.unpack(value)
    except PayloadError:
        return
    assert records.unpack(records.pack(unpacked)) == unpacked or "nan" in repr(unpacked)


META = hurt.unframed(hurt.result("run.000001.0"))[1]


@examples(quick=80, deep=5000)
@given(st.data(), JSON)
def test_the_head_of_an_answer_with_any_json_in_any_place(data: st.DataObject, value: Any) -> None:
    meta = json.loads(json.dumps(META))
    place: Any = meta
    while True:
        keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = value
    try:
        answers.check(meta, ["arrays"])
    except PayloadError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 400
        return
    # What passes is what the run's process reads without further ado.
    for record in meta["records"]:
        if record["kind"] != "arrays":
            records.unpack(record["values"])
    assert all(meta["timeline"][name] >= 0 for name in answers.NEEDED_TIMES)


def test_mutations_are_the_same_for_the_same_seed() -> None:
    (data,) = hurt.payloads()[:1]
    for way in hurt.WAYS:
        assert way(random.Random(3), data) == way(random.Random(3), data)
