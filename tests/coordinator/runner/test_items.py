"""Messages as work items, and what the way down rounds off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message

from coordinator.runner.exchanges import Participant
from coordinator.runner.items import ItemMaker, rounding_seed
from coordinator.runner.policy import Policy
from coordinator.runner.sent import Arrays
from coordinator.store.blobs import BlobStore
from fedbed import codec, flower
from fedbed.link.messages import AppRef
from tests.coordinator.runner.models import LocalGrid

ALL = tuple(codec.PROFILES)


def model() -> Arrays:
    rng = np.random.default_rng(3)
    return {
        "w": rng.standard_normal((100, 50)).astype(np.float32),
        "count": np.array(4),
    }


def participant(name: str, codecs: tuple[str, ...] = ALL, zstd: bool = True) -> Participant:
    compressors = ("zstd", "zlib") if zstd else ("zlib",)
    return Participant(0, name, compressors, codecs, {}, {})


def maker(folder: Path, up: str = "exact", down: str = "exact", seed: int = 1) -> ItemMaker:
    policy, app = Policy(up=up, down=down), AppRef("task", "t")
    return ItemMaker("run", 3, policy, app, BlobStore(folder / "blobs"), seed)


def message(node: int, arrays: Arrays) -> Message:
    LocalGrid()
    content = flower.join_records({"arrays": flower.array_of(arrays)}, {}, {})
    made = Message(content, node, "train", group_id="1")
    flower.assign_message_id(made, f"m.{node}")
    return made


def blob(folder: Path, sha256: str) -> bytes:
    return (folder / "blobs" / sha256[:2] / sha256).read_bytes()


@pytest.mark.parametrize("down", ["raw", "exact", "bf16", "int8"])
def test_what_was_sent_is_known_by_its_blob(tmp_path: Path, down: str) -> None:
    items = maker(tmp_path, down=down)
    assert items.agree([participant("pi-1")]) == []
    items.begin(1)
    item, sent = items.make("run.000001.0", 1, message(1, model()))
    (record,) = item.records
    assert record.blob == sent["arrays"].blob
    data = blob(tmp_path, sent["arrays"].blob.sha256)
    assert codec.Payload.from_bytes(data).profile == down
    assert sent["arrays"].reference.fingerprint == sent["arrays"].blob.sha256
    got, lost = codec.decode(data), sent["arrays"].lost
    assert set(lost) == ({"w"} if down in ("bf16", "int8") else set())
    for name, array in model().items():
        np.testing.assert_allclose(got[name] + lost.get(name, 0), array, rtol=1e-6)


def test_each_node_and_round_rounds_by_a_chance_of_its_own(tmp_path: Path) -> None:
    seeds = {rounding_seed(s, e, p) for s in (0, 1) for e in (1, 2) for p in (0, 1, 2)}
    assert len(seeds) == 12
    assert all(0 <= seed < 2**63 for seed in seeds)
    items = maker(tmp_path)
    items.begin(7)
    item, _ = items.make("run.000007.1", 4, message(2, model()))
    assert item.codec_seed == rounding_seed(1, 7, 1)
    again = maker(tmp_path)
    again.begin(7)
    assert again.make("run.000007.1", 4, message(2, model()))[0].codec_seed == item.codec_seed


def test_wishes_that_not_all_can_meet_are_said_and_dropped(tmp_path: Path) -> None:
    items = maker(tmp_path, up="small", down="int8")
    old = participant("old-pi", ("raw", "exact"), zstd=False)
    said = items.agree([participant("pi-1"), old])
    assert said == [
        "models go down as 'exact': old-pi knows no codec profile 'int8'",
        "old-pi knows no codec profile 'small': updates of theirs come as 'exact'",
    ]
    items.begin(1)
    _, sent = items.make("run.000001.0", 1, message(1, model()))
    payload = codec.Payload.from_bytes(blob(tmp_path, sent["arrays"].blob.sha256))
    assert payload.profile == "exact"
    np.testing.assert_array_equal(payload.arrays()["w"], model()["w"])
    many = [participant(f"pi-{n}", ("raw", "exact")) for n in range(5)]
    assert "pi-0, pi-1, pi-2 and 2 more know no" in items.agree(many)[0]


def test_equal_content_is_encoded_once_an_exchange(tmp_path: Path) -> None:
    items = maker(tmp_path)
    items.begin(1)
    one, two = message(1, model()), message(2, model())
    shared = message(2, model())
    shared.content = one.content
    first, same, other = (
        items.make(f"run.000001.{p}", 1, m)[1]["arrays"] for p, m in enumerate((one, shared, two))
    )
    assert first is same
    assert other is not first
    assert other.blob == first.blob


def test_a_version_is_encoded_once_whichever_exchange_sends_it(tmp_path: Path) -> None:
    items = maker(tmp_path, down="int8")
    items.agree([participant("pi-1")])
    one, other = message(1, model()), message(2, model())
    other.content = one.content
    items.begin(5, version=2)
    first, sent = items.make("run.000005.0", 3, one)
    items.begin(9, version=2)
    second, same = items.make("run.000009.1", 3, other)
    assert sent["arrays"] is same["arrays"]
    assert first.codec_seed != second.codec_seed
    items.begin(10, version=3)
    assert items.make("run.000010.0", 4, one)[1]["arrays"] is not same["arrays"]
    # After a restart it is the same blob again, whichever exchange comes first.
    again = maker(tmp_path, down="int8")
    again.agree([participant("pi-1")])
    again.begin(9, version=2)
    assert again.make("run.000009.1", 3, other)[1]["arrays"].blob == same["arrays"].blob


def test_models_that_nodes_are_still_to_fetch_stay(tmp_path: Path) -> None:
    items = maker(tmp_path)
    hashes = []
    for version in range(4):
        items.begin(version + 1, version)
        going = {name: array + version for name, array in model().items()}
        _, sent = items.make(f"run.{version + 1:06d}.0", version + 1, message(1, going))
        hashes.append(sent["arrays"].blob.sha256)
    items.forget_models({hashes[1]})
    there = [(tmp_path / "blobs" / h[:2] / h).exists() for h in hashes]
    assert there == [False, True, False, True]
    items.forget_models()
    there = [(tmp_path / "blobs" / h[:2] / h).exists() for h in hashes]
    assert there == [False, False, False, True]
