from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from edge_agent.spool import Spool
from fedbed.errors import PayloadError
from fedbed.link import envelope


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool", limit_bytes=1000)
    spool.open()
    return spool


def put(spool: Spool, item: str, size: int, age_s: int) -> None:
    path = spool.path(item)
    path.write_bytes(b"x" * size)
    stamp = path.stat().st_mtime - age_s
    os.utime(path, (stamp, stamp))


def test_a_failure_is_an_envelope_with_its_reason(spool: Spool) -> None:
    size, digest = spool.write_failure("r-1.000001.0", "q", "out of memory", {"work_s": 1.5})
    path = spool.path("r-1.000001.0")
    assert spool.items() == ["r-1.000001.0"]
    assert (size, digest) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
    assert spool.measure("r-1.000001.0") == (size, digest)
    meta = envelope.read_meta(path)
    assert meta["item"] == "r-1.000001.0"
    assert meta["error"] == "out of memory"
    assert meta["timeline"] == {"work_s": 1.5}
    assert meta["records"] == []


def test_it_survives_a_restart_without_what_was_half_written(spool: Spool, tmp_path: Path) -> None:
    spool.write_failure("done", "q", "x", {})
    folder = tmp_path / "spool"
    (folder / ".half.result.abc.part").write_bytes(b"FBR")
    (folder / "lost+found").mkdir()
    again = Spool(folder)
    again.open()
    assert again.items() == ["done"]
    assert sorted(p.name for p in folder.iterdir()) == ["done.result", "lost+found"]


@pytest.mark.parametrize("item", ["", "a/b", "../x", "/etc/passwd", "a\0", "ä", "x" * 161, "a\n"])
def test_an_id_that_is_no_file_name_is_refused(spool: Spool, item: str) -> None:
    with pytest.raises(PayloadError, match="is no work item's id"):
        spool.path(item)
    with pytest.raises(PayloadError):
        spool.write_failure(item, "q", "x", {})
    with pytest.raises(PayloadError):
        spool.remove(item)


def test_items_come_oldest_first(spool: Spool) -> None:
    put(spool, "young", 1, age_s=1)
    put(spool, "old", 1, age_s=9)
    put(spool, "middle", 1, age_s=5)
    assert spool.items() == ["old", "middle", "young"]


def test_removing_twice_is_fine(spool: Spool) -> None:
    put(spool, "a", 1, age_s=0)
    spool.remove("a")
    spool.remove("a")
    assert spool.items() == []


def test_trim_drops_the_oldest_beyond_the_limit(spool: Spool) -> None:
    for age_s, item in enumerate(["d", "c", "b", "a"]):
        put(spool, item, 400, age_s)
    assert spool.trim() == ["a", "b"]
    assert spool.items() == ["c", "d"]
    assert spool.trim() == []


def test_trim_keeps_the_newest_however_large(spool: Spool) -> None:
    put(spool, "old", 10, age_s=5)
    put(spool, "huge", 5000, age_s=0)
    assert spool.trim() == ["old"]
    assert spool.items() == ["huge"]


def test_a_file_that_goes_while_another_thread_looks(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(spool, "a", 1, age_s=0)
    put(spool, "b", 1, age_s=0)
    genuine = Path.stat

    def stat(path: Path, **more: bool) -> os.stat_result:
        if path.name == "a.result":
            path.unlink(missing_ok=True)
        return genuine(path, **more)

    monkeypatch.setattr(Path, "stat", stat)
    assert spool.items() == ["b"]
    assert spool.trim() == []
