"""What a node keeps on its disk, whatever comes in whatever order: results and residuals."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge_agent.residuals import KEPT, Residuals
from edge_agent.spool import Spool
from fedbed.errors import PayloadError
from fedbed.link import envelope
from tests.fuzz.depth import examples

LIMIT = 3000
ITEMS = [f"run.{number:06d}.0" for number in range(6)]
HOSTILE = st.text(max_size=200) | st.sampled_from(["../x", "..", ".", "", "a/b", "\0", "a" * 161])


class _OnDisk(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="fedbed-fuzz-"))

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


class Spools(_OnDisk):
    """Results are written, sent, struck off, trimmed; the agent restarts in between."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, int] = {}
        """Item -> size, the oldest first."""
        self.age = 0
        self._open()

    def _open(self) -> None:
        self.spool = Spool(self.folder / "spool", LIMIT)
        self.spool.open()

    @rule(item=st.sampled_from(ITEMS), size=st.integers(0, 2500))
    def a_result_is_written(self, item: str, size: int) -> None:
        written, digest = envelope.write(
            self.spool.path(item), {"item": item}, [("arrays", bytes(size))], synced=False
        )
        # One after another, however fast the machine and coarse its clock.
        self.age += 1
        os.utime(self.spool.path(item), (self.age, self.age))
        self.held.pop(item, None)
        self.held[item] = written
        assert self.spool.measure(item) == (written, digest)

    @rule(item=st.sampled_from(ITEMS))
    def it_is_acknowledged(self, item: str) -> None:
        self.spool.remove(item)
        self.held.pop(item, None)

    @rule()
    def it_is_trimmed(self) -> None:
        dropped = self.spool.trim()
        assert dropped == list(self.held)[: len(dropped)], "the oldest go first"
        needed = 0
        while sum(list(self.held.values())[needed:]) > LIMIT and needed < len(self.held) - 1:
            needed += 1
        assert len(dropped) == needed, "no more go than must"
        for item in dropped:
            del self.held[item]
        assert sum(self.held.values()) <= LIMIT or len(self.held) == 1

    @rule(name=st.sampled_from([".new-1", "x.part", "run.1.0.result.tmp"]))
    def the_power_fails_while_something_is_written(self, name: str) -> None:
        (self.folder / "spool" / name).write_bytes(b"half")
        self._open()
        assert {p.name for p in (self.folder / "spool").iterdir()} == {
            f"{item}.result" for item in self.held
        }

    @rule(item=HOSTILE)
    def an_item_has_any_name(self, item: str) -> None:
        try:
            path = self.spool.path(item)
        except PayloadError:
            return
        assert path.parent == self.folder / "spool"
        assert path.resolve().parent == (self.folder / "spool").resolve()

    @invariant()
    def what_is_held_is_there(self) -> None:
        assert self.spool.items() == list(self.held)
        for item, size in self.held.items():
            assert self.spool.path(item).stat().st_size == size
        assert [p.name for p in self.folder.iterdir()] == ["spool"]


class Remainders(_OnDisk):
    """Residuals are kept and forgotten; rounds are answered again."""

    def __init__(self) -> None:
        super().__init__()
        self.residuals = Residuals(self.folder / "residuals")
        self.written: dict[tuple[str, int, int], bytes] = {}

    @rule(
        run=st.sampled_from(["a", "b.c"]),
        number=st.integers(0, 5),
        partition=st.integers(0, 1),
        data=st.binary(max_size=20),
    )
    def keep(self, run: str, number: int, partition: int, data: bytes) -> None:
        self.residuals.keep(f"{run}.{number:06d}.{partition}", data)
        self.written[run, partition, number] = data
        same = sorted(key for key in self.written if key[:2] == (run, partition))
        for key in same[:-KEPT]:
            del self.written[key]
        self.written = {key: kept for key, kept in self.written.items() if key[0] == run}

    @precondition(lambda self: self.written)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.written)))
        del self.written[key]
        self.residuals.forget(f"{key[0]}.{key[2]:06d}.{key[1]}")

    @rule(item=HOSTILE, data=st.binary(max_size=3))
    def an_item_has_any_name(self, item: str, data: bytes) -> None:
        if item.count(".") < 2:
            self.residuals.keep(item, data)
            self.residuals.forget(item)
            assert self.residuals.before(item) is None

    @invariant()
    def an_item_starts_from_the_newest_before_it(self) -> None:
        for run in ("a", "b.c"):
            for partition in range(2):
                for number in range(7):
                    found = self.residuals.before(f"{run}.{number:06d}.{partition}")
                    earlier = [
                        key
                        for key in self.written
                        if key[:2] == (run, partition) and key[2] < number
                    ]
                    if not earlier:
                        assert found is None
                    else:
                        assert found is not None
                        assert found.read_bytes() == self.written[max(earlier)]

    @invariant()
    def no_more_is_kept_than_that(self) -> None:
        folder = self.folder / "residuals"
        assert len(list(folder.iterdir()) if folder.is_dir() else []) == len(self.written)
        assert len(self.written) <= KEPT * 2, "so many for each of two partitions"
        assert [p.name for p in self.folder.iterdir()] in ([], ["residuals"])


TestSpools: Any = Spools.TestCase
TestSpools.settings = examples(quick=15, deep=400, steps=25)
TestRemainders: Any = Remainders.TestCase
TestRemainders.settings = examples(quick=10, deep=300, steps=15)


def test_the_model_of_a_spool_would_notice_a_loss(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT)
    spool.open()
    envelope.write(spool.path("a.1.0"), {}, [], synced=False)
    spool.path("a.1.0").unlink()
    assert spool.items() == []
    with pytest.raises(FileNotFoundError):
        spool.measure("a.1.0")
