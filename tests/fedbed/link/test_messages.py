from __future__ import annotations

import dataclasses
import json
import typing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbed.link import messages
from fedbed.link.messages import (
    BlobRef,
    JoinReply,
    JoinRequest,
    NodeCost,
    PollReply,
    PollRequest,
    Timeline,
    WorkItem,
    parse,
    unparse,
)

CLASSES = [
    cls
    for cls in vars(messages).values()
    if isinstance(cls, type) and dataclasses.is_dataclass(cls)
]
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=5),
    int: st.integers(),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    Any: st.none() | st.booleans() | st.integers() | st.lists(st.text(max_size=3), max_size=2),
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Anything that a field of this type may hold."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Union:
        return st.none() | values_of(arguments[0])
    if typing.get_origin(hint) is list:
        return st.lists(values_of(arguments[0]), max_size=2)
    if typing.get_origin(hint) is dict:
        return st.dictionaries(st.text(max_size=5), values_of(arguments[1]), max_size=2)
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return st.builds(
            typing.cast(Any, hint), **{name: values_of(inner) for name, inner in hints.items()}
        )
    return PLAIN[hint]


@pytest.mark.parametrize("cls", CLASSES)
@settings(max_examples=25)
@given(st.data())
def test_round_trip_through_json(cls: type[Any], data: st.DataObject) -> None:
    message = data.draw(values_of(cls))
    assert parse(cls, json.loads(json.dumps(unparse(message)))) == message


def nested(value: Any) -> Any:
    """Add a key that nobody knows to every object."""
    if isinstance(value, dict):
        return {**{k: nested(v) for k, v in value.items()}, "from-the-future": [1]}
    if isinstance(value, list):
        return [nested(v) for v in value]
    return value


def test_unknown_keys_are_ignored_at_every_depth() -> None:
    ref = {"sha256": "ab", "size": 3}
    item = {
        "id": "i",
        "run": "r",
        "round": 1,
        "kind": "train",
        "app": {"kind": "task", "name": "t", "bundle": ref},
        "partition": 0,
        "partitions": 1,
        "records": [{"name": "model", "kind": "arrays", "blob": ref}],
        "codec": "exact",
        "compressor": "zlib",
        "max_bytes": 9,
        "data": {"delivery": "shared", "dataset": "d", "train": ref},
    }
    reply = parse(PollReply, nested({"poll_s": 1.0, "work": item, "drop": ["a"]}))
    assert reply == parse(PollReply, {"poll_s": 1.0, "work": item, "drop": ["a"]})
    assert reply.work is not None
    assert reply.work.records[0].blob == BlobRef("ab", 3)
    assert reply.work.data is not None
    assert reply.work.data.train == BlobRef("ab", 3)
    assert reply.work.data.test is None
    assert reply.work.seconds_left is None


def test_defaults_are_not_shared() -> None:
    first, second = PollRequest(), PollRequest()
    first.holding.append("x")
    assert second.holding == []
    assert parse(PollRequest, {}) == second
    assert parse(JoinRequest, {"name": "n", "key": "k"}).compressors == ["zlib"]


@pytest.mark.parametrize(
    ("cls", "data"),
    [
        (JoinReply, {}),
        (WorkItem, {"id": "i"}),
        (PollReply, {"poll_s": 1, "drop": "abc"}),
        (PollReply, {"poll_s": 1, "drop": 5}),
        (PollReply, {"poll_s": 1, "work": "abc"}),
        (PollRequest, {"cost": None}),
        (NodeCost, []),
        (NodeCost, "text"),
        (Timeline, None),
    ],
)
def test_what_is_no_such_message(cls: type[Any], data: Any) -> None:
    with pytest.raises(TypeError):
        parse(cls, data)
