from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from flwr.app import Message
from flwr.serverapp.strategy import FedAvg

from coordinator.runner.replies import Reply, materialise, misfits
from coordinator.runner.sent import Sent
from fedbed import codec, flower
from fedbed.errors import PayloadError, RunFailed
from fedbed.link import envelope
from fedbed.link.messages import BlobRef
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
    content = held.content({})
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
    content = held.content({})
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


def test_replies_at_hand_keep_no_file_open(tmp_path: Path) -> None:
    before = len(psutil.Process().open_files())
    held = [reply(tmp_path, node) for node in (1, 2, 3)]
    contents = [each.content({}) for each in held]
    assert [flower.ndarrays_of(c.array_records["arrays"])["b"].size for c in contents] == [5] * 3
    assert len(psutil.Process().open_files()) == before


def test_an_update_of_an_earlier_round_is_named_as_such(tmp_path: Path) -> None:
    held = reply(tmp_path, 1)
    content = held.content({})
    held.file.unlink()
    with pytest.raises(RunFailed, match="earlier round"):
        content.array_records["arrays"]["a"].numpy()


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


def wide(seed: int) -> dict[str, Any]:
    return {"a": np.random.default_rng(seed).standard_normal(5000).astype(np.float32)}


def answered(folder: Path, profile: str, reference: codec.Reference | None) -> Reply:
    path = folder / "1.result"
    data = codec.encode(wide(2), profile, "zlib", reference)
    meta = {
        "records": [{"name": "arrays", "kind": "arrays", "payload": "arrays"}],
        "timeline": {"work_s": 1, "bytes_down": 0},
    }
    size, _ = envelope.write(path, meta, [("arrays", data)])
    made = Reply(0, path, size, 0.0)
    made.open()
    return made


@pytest.mark.parametrize("up", ["exact", "bf16"])
@pytest.mark.parametrize("down", ["exact", "bf16", "int8"])
def test_what_a_node_learnt_is_added_to_the_model_itself(
    tmp_path: Path, up: str, down: str
) -> None:
    model = wide(1)
    got = codec.decode(codec.encode(model, down))
    sent = Sent.of(BlobRef("ab" * 32, 1), model, got)
    held = answered(tmp_path, up, codec.Reference(got, "ab" * 32))
    array = held.content({"arrays": sent}).array_records["arrays"]["a"]
    learnt = wide(2)["a"].astype(np.float64) - got["a"]
    np.testing.assert_allclose(array.numpy() - model["a"], learnt, rtol=2**-8, atol=1e-6)
    np.testing.assert_array_equal(array.numpy(), np.load(BytesIO(array.data)))
    held.close()


def test_a_difference_to_anything_else_is_no_reply(tmp_path: Path) -> None:
    held = answered(tmp_path, "bf16", codec.Reference(wide(1), "ab" * 32))
    for sent in (
        {},
        {"arrays": Sent.of(BlobRef("cd" * 32, 1), wide(1), wide(1))},
        {"arrays": Sent.of(BlobRef("ab" * 32, 1), model(), model())},
    ):
        with pytest.raises(PayloadError):
            held.content(sent)
    held.close()
