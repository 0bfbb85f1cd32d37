"""What a history tells of nodes."""

from __future__ import annotations

from typing import Any

from coordinator.runner.exchanges import Participant
from coordinator.runner.records import Records
from coordinator.runs.window import TOO_LATE
from fedbed.selection import Part

TIMELINE = {"wait_s": 9.0, "download_s": 0.5, "start_s": 7.0, "decode_s": 0.25, "work_s": 2.0}


def participant(partition: int, **profile: Any) -> Participant:
    name = f"pi-{partition}"
    return Participant(partition, name, ("zlib",), ("exact",), profile, {}, labels={"site": "a"})


def entry(number: int, **more: Any) -> dict[str, Any]:
    node = {
        "partition": 0,
        "metrics": {"num-examples": 30, "train_loss": 0.5},
        "upload_s": 0.25,
        "timeline": TIMELINE,
    }
    absent = {"1": TOO_LATE, "2": "the node was lost"}
    return {"round": number, "nodes": [node], "missing": absent, "train_s": 4.0, **more}


def test_parts_leave_out_waiting_and_the_worker_s_start() -> None:
    records = Records()
    records.read([entry(3)])
    came = Part(3, True, seconds=3.0, download_s=0.5, upload_s=0.25, loss=0.5)
    assert records.parts(0) == (came,)
    assert records.parts(1) == (Part(3, False, late=True, seconds=4.0),)
    assert records.parts(2) == (Part(3, False),)
    assert records.parts(3) == ()


def test_each_round_is_read_once_and_a_resumed_run_reads_them_all() -> None:
    history = [entry(1)]
    records = Records()
    for number in (2, 3, 4):
        records.read(history)
        history.append(entry(number, selection={"because": [], "note": {"n": number}}))
    records.read(history)
    again = Records()
    again.read(history)
    for partition in range(3):
        assert records.parts(partition) == again.parts(partition)
        assert [part.round for part in again.parts(partition)] == [1, 2, 3, 4]
    assert records.notes() == again.notes() == {n: {"n": n} for n in (2, 3, 4)}


def test_candidates_are_described() -> None:
    records = Records()
    records.read([entry(1, scores={"0": 0.75})])
    dealt, own, new = records.candidates(
        [participant(1, cpus=4), participant(0), participant(5)], {1: 12}
    )
    assert (dealt.name, dealt.labels, dealt.cpus, dealt.samples) == ("pi-1", {"site": "a"}, 4, 12)
    assert (own.cpus, own.samples, own.scores) == (1, 30, ((1, 0.75),))
    assert (new.samples, new.parts, new.scores) == (1, (), ())
