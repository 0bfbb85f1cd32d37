"""Updates of a round against each other, in real envelopes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message
from flwr.serverapp.strategy import FedAvg

from coordinator.runner import norms
from coordinator.runner.exchanges import Outgoing
from coordinator.runner.replies import Reply
from coordinator.runner.screening import Findings, Screening
from coordinator.runner.sent import Sent
from fedbed import codec, flower
from fedbed.errors import PayloadError
from fedbed.experiment import Screening as Rules
from fedbed.link import envelope
from fedbed.link.messages import BlobRef
from tests.coordinator.runner.models import Arrays, LocalGrid, bits, model

MARK = "ab" * 32
SIZES = dict.fromkeys(range(9), 10)


def sent(arrays: Arrays, got: Arrays | None = None) -> dict[str, Sent]:
    return {"arrays": Sent.of(BlobRef(MARK, 1), arrays, arrays if got is None else got)}


def update(arrays: Arrays, seed: int, length: float = 1.0) -> Arrays:
    """What a node trains: `arrays` and a step of that L2 norm."""
    rng = np.random.default_rng(seed)
    steps = {
        name: np.asarray(rng.normal(0, 1, a.shape))
        for name, a in arrays.items()
        if a.dtype.kind == "f"
    }
    norm = np.sqrt(sum((step**2).sum() for step in steps.values()))
    stepped = {n: (arrays[n] + step * length / norm).astype("f4") for n, step in steps.items()}
    return {name: stepped.get(name, array + 7) for name, array in arrays.items()}


def reply(
    folder: Path, partition: int, arrays: Arrays, count: int = 10, profile: str = "exact",
    got: Arrays | None = None,
) -> Reply:  # fmt: skip
    path = folder / f"{partition}.result"
    listed = [
        {"name": "arrays", "kind": "arrays", "payload": "arrays"},
        {"name": "metrics", "kind": "metrics", "values": {"num-examples": count, "loss": 0.5}},
    ]
    reference = None if got is None else codec.Reference(got, MARK)
    data = codec.encode(arrays, profile, "zlib", reference)
    meta = {"records": listed, "timeline": {"work_s": 1, "bytes_down": 0}}
    size, _ = envelope.write(path, meta, [("arrays", data)])
    made = Reply(partition, path, size, 0.0)
    made.open()
    return made


def look(
    replies: Sequence[Reply],
    rules: Rules,
    sizes: dict[int, int],
    going: dict[str, Sent],
    earlier: Sequence[float] = (),
) -> tuple[Findings, list[Message]]:
    """Let replies arrive in the order given; returns what was found and the answers.

    earlier: the usual norms of rounds before.
    """
    LocalGrid()
    screening = Screening(rules, sizes)
    for usual_norm in earlier:
        screening.remember(usual_norm)
    outgoing = Outgoing("run.000001", "round 1: training", "train", 60.0, 0.0)
    for one in sorted(replies, key=lambda r: r.partition):
        message = Message(flower.join_records({}, {}, {}), one.partition + 1, "train", group_id="1")
        flower.assign_message_id(message, f"m.{one.partition}")
        outgoing.messages[one.partition] = message
        outgoing.sent[one.partition] = going
    for one in replies:
        screening.measure(outgoing, one)
    answers = {
        r.partition: flower.reply(outgoing.messages[r.partition], r.content(going))
        for r in sorted(replies, key=lambda r: r.partition)
    }
    return screening.look(answers, outgoing), list(answers.values())


def aggregate(answers: list[Message]) -> dict[str, bytes]:
    arrays, _ = FedAvg().aggregate_train(1, answers)
    assert arrays is not None
    return bits(arrays)


@pytest.mark.parametrize("profile", ["raw", "exact", "bf16", "int8"])
@pytest.mark.parametrize("block", [3, 1 << 15])
def test_the_norm_is_that_of_what_the_node_changed(
    tmp_path: Path, profile: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(norms, "BLOCK_ITEMS", block)
    arrays: Arrays = {**model(), "steps": np.arange(4), "empty": np.zeros((0, 3), "f4")}
    lossy = profile in ("bf16", "int8")
    trained = update(arrays, 1, 2.5)
    made = reply(tmp_path, 0, trained, profile=profile, got=arrays if lossy else None)
    measured = norms.of_reply(made, sent(arrays))
    assert measured == pytest.approx(2.5, rel=0.02 if lossy else 1e-6)


def test_what_the_way_down_lost_is_no_part_of_the_update(tmp_path: Path) -> None:
    arrays = model()
    got = {name: array + np.float32(0.5) for name, array in arrays.items()}
    made = reply(tmp_path, 0, update(got, 1, 2.0))
    assert norms.of_reply(made, sent(arrays, got)) == pytest.approx(2.0, rel=1e-5)


def test_a_difference_out_of_range_is_longer_than_anything(tmp_path: Path) -> None:
    arrays: Arrays = {"w": np.full(5, -1e300)}
    made = reply(tmp_path, 0, {"w": np.full(5, 1e300)})
    going = sent(arrays)
    assert norms.of_reply(made, going) == np.inf
    content = made.content(going)
    shorter = norms.clipped(content.array_records["arrays"], going["arrays"], 0.0)
    assert shorter["w"].numpy().tolist() == arrays["w"].tolist()


def test_other_arrays_than_were_sent_have_no_norm(tmp_path: Path) -> None:
    made = reply(tmp_path, 0, model())
    with pytest.raises(PayloadError, match="wasn't sent") as caught:
        norms.of_reply(made, {})
    assert caught.value.kind == "shape"


def some(folder: Path, arrays: Arrays, lengths: Sequence[float]) -> list[Reply]:
    return [reply(folder, p, update(arrays, p, length)) for p, length in enumerate(lengths)]


def test_an_update_that_is_too_long_is_refused_whatever_the_order(tmp_path: Path) -> None:
    arrays = model()
    replies = some(tmp_path, arrays, [1.0, 1.5, 30.0, 0.5, 2.0])
    for order in range(4):
        random.Random(order).shuffle(replies)
        findings, _ = look(replies, Rules(), SIZES, sent(arrays))
        assert list(findings.refused) == [2]
        kind, text = findings.refused[2]
        assert (kind, findings.bounded) == ("norm", {})
        assert text == "its update has a norm of 30, this run's limit is 15"
        assert findings.usual_norm == pytest.approx(1.5)


def test_what_was_usual_in_an_earlier_round_is_shortened_and_no_offence(tmp_path: Path) -> None:
    arrays = model()
    replies = some(tmp_path, arrays, [0.01, 0.01, 0.3, 0.01, 20.0])
    findings, answers = look(replies, Rules(), SIZES, sent(arrays), earlier=[0.5, 1.5, 0.02])
    assert list(findings.refused) == [4], "longer than in any phase of the run"
    assert findings.refused[4].text.endswith("this run's limit is 15")
    (shortened,) = findings.bounded.items()
    assert shortened[0] == 2
    text = "a long update was shortened: from a norm of 0.3 to 0.1"
    assert shortened[1] == ("norm", text)
    held = flower.ndarrays_of(answers[2].content.array_records["arrays"])
    expected = update(arrays, 2, 0.1)
    for name, array in held.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-5)


def test_rounds_of_one_process_are_remembered(tmp_path: Path) -> None:
    # Nodes 0 to 2 learn much at first; 1 comes upon something new when the others have converged.
    lengths = [(p, 1.0) for p in range(3)] + [(p, 0.01) for p in range(3)] + [(1, 2.0), (1, 20.0)]
    wanted = ["taken"] * 6 + ["bounded", "refused"]
    assert one_by_one(tmp_path, Rules(), lengths) == wanted


def test_an_update_that_is_too_long_may_be_shortened_instead(tmp_path: Path) -> None:
    arrays = model()
    replies = some(tmp_path, arrays, [1.0, 1.0, 40.0, 1.0])
    rules = Rules(over="clip")
    findings, answers = look(replies, rules, SIZES, sent(arrays))
    assert (findings.refused, list(findings.bounded)) == ({}, [2])
    held = flower.ndarrays_of(answers[2].content.array_records["arrays"])
    expected = update(arrays, 2, 10.0)
    for name, array in held.items():
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-5)
    assert aggregate(answers) == aggregate(look(replies, rules, SIZES, sent(arrays))[1])


def test_where_nothing_is_odd_the_average_keeps_its_bits(tmp_path: Path) -> None:
    arrays = model()
    replies = some(tmp_path, arrays, [1.0, 3.0, 2.0, 9.0])
    off = Rules(norm_limit=None, samples_limit=None)
    plain = aggregate(look(replies, off, SIZES, sent(arrays))[1])
    for rules in (Rules(), Rules(over="clip")):
        findings, answers = look(replies, rules, SIZES, sent(arrays))
        assert (findings.refused, findings.bounded) == ({}, {})
        assert aggregate(answers) == plain


def test_of_two_updates_none_is_odd_and_without_a_limit_none_is_measured(tmp_path: Path) -> None:
    arrays = model()
    replies = some(tmp_path, arrays, [1.0, 500.0])
    assert look(replies, Rules(), SIZES, sent(arrays))[0].refused == {}
    replies = some(tmp_path, arrays, [1.0, 1.0, 500.0])
    assert look(replies, Rules(norm_limit=None), SIZES, sent(arrays))[0].refused == {}
    assert look(replies, Rules(norm_limit=600.0), SIZES, sent(arrays))[0].refused == {}


def test_claims_of_samples_are_bounded_where_nobody_can_know_them(tmp_path: Path) -> None:
    arrays = model()
    replies = [
        reply(tmp_path, p, update(arrays, p), count) for p, count in enumerate([10, 20, 30, 99_999])
    ]
    findings, answers = look(replies, Rules(), {}, sent(arrays))
    assert findings.refused == {}
    (only,) = findings.bounded.items()
    assert only == (3, ("samples", "it says that it has 99999 samples, which count as 250"))
    counts = [a.content.metric_records["metrics"]["num-examples"] for a in answers]
    assert counts == [10, 20, 30, 250]
    assert replies[3].metrics()["num-examples"] == 99_999
    unbounded, _ = look(replies, Rules(samples_limit=None), {}, sent(arrays))
    assert unbounded.bounded == {}
    assert look(replies, Rules(), SIZES, sent(arrays))[0].bounded == {}, "known, so checked before"


def one_by_one(folder: Path, rules: Rules, lengths: Sequence[tuple[int, float]]) -> list[str]:
    """Let updates of these partitions and lengths come by themselves; returns what was done."""
    LocalGrid()
    screening = Screening(rules, SIZES, one_by_one=True)
    going, done = sent(model()), []
    for turn, (partition, length) in enumerate(lengths):
        outgoing = Outgoing(f"run.{turn:06d}", "version 1: training", "train", 60.0, 0.0)
        message = Message(flower.join_records({}, {}, {}), partition + 1, "train", group_id="1")
        flower.assign_message_id(message, f"m.{turn}")
        outgoing.messages[partition], outgoing.sent[partition] = message, going
        came = reply(folder, partition, update(model(), turn, length))
        screening.measure(outgoing, came)
        answers = {partition: flower.reply(message, came.content(going))}
        findings = screening.look(answers, outgoing)
        done.append("refused" if findings.refused else "bounded" if findings.bounded else "taken")
    return done


def test_updates_that_come_one_by_one_are_compared_with_the_last_of_every_other_node(
    tmp_path: Path,
) -> None:
    rules = Rules(norm_limit=5.0)
    # Nothing can be said of the first two; a refused one is no measure for others.
    lengths = [(0, 1.0), (1, 1.2), (2, 50.0), (2, 1.0), (0, 4.0), (1, 60.0), (1, 1.1)]
    wanted = ["taken", "taken", "refused", "taken", "taken", "refused", "taken"]
    assert one_by_one(tmp_path, rules, lengths) == wanted
    clip = Rules(norm_limit=5.0, over="clip")
    wanted = ["bounded" if done == "refused" else done for done in wanted]
    assert one_by_one(tmp_path, clip, lengths) == wanted
    assert one_by_one(tmp_path, Rules(norm_limit=None), lengths) == ["taken"] * 7
