from __future__ import annotations

from benchmarks import transfer
from benchmarks.transfer import Way

OURS = {
    "raw": Way(44.7, 700, 900),
    "exact": Way(37.4, 400, 500),
    "bf16": Way(15.2, 420, 390),
    "int8": Way(8.5, 380, 400),
    "small": Way(0.9, 300, 500),
}
PEERS = {transfer.JSON_TEXT: Way(250.0, 2, 4), transfer.PICKLE: Way(16.7, 500, 700)}


def test_each_profile_stands_beside_the_peer_that_loses_as_much() -> None:
    found = {row.what: row for row in transfer.rows(OURS, PEERS, "how")}
    assert len(found) == 15
    exact, bf16 = found["ResNet-18 update, exact: size"], found["ResNet-18 update, bf16: size"]
    assert (exact.peer_name, exact.peer) == (transfer.JSON_TEXT, 250.0)
    assert (bf16.peer_name, bf16.peer) == (transfer.PICKLE, 16.7)
    assert bf16.note == "-93.9 % against 250 MB of JSON; how"


def test_the_goals_of_sizes_and_speeds() -> None:
    rows = transfer.rows(OURS, PEERS, "")
    verdicts = {row.what.split(", ", 1)[1]: row.reached for row in rows if row.goal is not None}
    assert verdicts == {
        "bf16: size": True,
        "int8: size": True,
        "small: size": True,
        "bf16: encode, one core": True,
        "bf16: decode, one core": False,
        "int8: encode, one core": True,
        "int8: decode, one core": True,
    }
