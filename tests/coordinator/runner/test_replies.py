from __future__ import annotations

from pathlib import Path
from typing import Any

from flwr.app import Message
from flwr.serverapp.strategy import FedAvg

from coordinator.runner.replies import Reply, materialise, misfits
from fedbed import codec, flower
from fedbed.link import envelope
from tests.coordinator.runner.models import LocalGrid, bits, model, train


def reply(folder: Path, node: int, metrics: dict[str, Any] | None = None) -> Reply:
    """Return what a node has sent, in a real envelope."""
    arrays, measured = train(model(), 1, node)
    path = folder / f"{node}.result"
    listed = [
        {"name": "arrays", "kind": "arrays", "payload": "arrays"},
        {"name": "metrics", "kind": "metrics", "values": metrics or measured},
    ]
    meta = {"records": listed, "timeline": {"work_s": 1, "bytes_down": 0}}
    size, _ = envelope.write(path, meta, [("arrays", codec.encode(arrays, "exact", "zlib"))])
    made = Reply(node - 1, path, size, 0.0)
    made.open()
    return made


def message(node: int, held: Reply, lazy: bool) -> Message:
    sent = Message(flower.join_records({}, {}, {}), node, "train", group_id="1")
    flower.assign_message_id(sent, f"m.{node}")
    content = held.content()
    return flower.reply(sent, content if lazy else materialise(content))


def test_lazy_replies_aggregate_to_the_same_bits(tmp_path: Path) -> None:
    LocalGrid()
    results = []
    for lazy in (True, False):
        replies = [reply(tmp_path, node) for node in (1, 2, 3)]
        strategy = FedAvg()
        arrays, metrics = strategy.aggregate_train(
            1, [message(r.partition + 1, r, lazy) for r in replies]
        )
        assert arrays is not None
        assert metrics is not None
        results.append((bits(arrays), dict(metrics)))
        for held in replies:
            held.close()
    assert results[0] == results[1]
    expected, _ = train(model(), 1, 1)
    assert set(results[0][0]) == set(expected)


def test_a_lazy_array_decodes_anew_and_serialises_as_flwr_does(tmp_path: Path) -> None:
    held = reply(tmp_path, 1)
    content = held.content()
    lazy = content.array_records["arrays"]["a"]
    first = lazy.numpy()
    first[:] = 0
    expected = flower.array_of(train(model(), 1, 1)[0])["a"]
    assert lazy.numpy().tobytes() == expected.numpy().tobytes()
    assert (lazy.data, lazy.dtype, tuple(lazy.shape)) == (
        expected.data,
        expected.dtype,
        tuple(expected.shape),
    )
    eager = materialise(content)
    held.close()
    assert eager.array_records["arrays"]["a"].numpy().tobytes() == expected.numpy().tobytes()


def test_metrics_of_a_reply(tmp_path: Path) -> None:
    assert reply(tmp_path, 2).metrics() == {"num-examples": 12, "loss": 1 / 3}


def test_replies_of_another_form_are_left_out(tmp_path: Path) -> None:
    LocalGrid()
    odd = {"num-examples": 1}
    made = [reply(tmp_path, 1, odd), reply(tmp_path, 2), reply(tmp_path, 3)]
    messages = [message(r.partition + 1, r, True) for r in made]
    assert list(misfits(messages)) == [0]
    assert misfits(messages[1:]) == {}
    assert list(misfits(messages[:2])) == [1]
    failed = flower.error_reply(messages[1], "lost")
    assert misfits([failed, *messages[1:]]) == {}
    for held in made:
        held.close()
