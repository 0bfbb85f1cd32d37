from __future__ import annotations

import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.identity import Identity
from fedbed.errors import FedbedError, NameTaken


def acquired(folder: Path) -> Identity:
    identity = Identity(folder)
    identity.acquire()
    return identity


def test_the_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    first = acquired(tmp_path / "a" / "b")
    assert re.fullmatch(r"[0-9a-f]{64}", first.key)
    first.release()
    again = acquired(tmp_path / "a" / "b")
    assert again.key == first.key
    again.release()
    assert stat.S_IMODE((tmp_path / "a/b/node.key").stat().st_mode) == 0o600
    other = acquired(tmp_path / "other")
    assert other.key != first.key
    other.release()


@pytest.mark.parametrize("damage", [b"", b"abc", b"z" * 64, b"\xff" * 64])
def test_a_damaged_key_is_replaced(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "node.key").write_bytes(damage)
    identity = acquired(tmp_path)
    assert re.fullmatch(r"[0-9a-f]{64}", identity.key)
    assert (tmp_path / "node.key").read_text() == identity.key
    identity.release()


def test_a_second_agent_in_the_same_folder_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    first = acquired(tmp_path)
    second = Identity(tmp_path)
    with pytest.raises(NameTaken, match="another agent already runs with the state folder"):
        second.acquire()
    first.release()
    second.acquire()
    assert second.key == first.key
    second.release()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from edge_agent.identity import Identity\n"
        "identity = Identity(Path(sys.argv[1])); identity.acquire()\n"
        "os.write(1, b'.'); os.read(0, 1)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.read(1) == b"."
        with pytest.raises(NameTaken):
            acquired(tmp_path)
        holder.kill()
        holder.wait()
        acquired(tmp_path).release()


def test_an_unusable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FedbedError, match=r"can't be used \(Not a directory\): give another"):
        acquired(tmp_path / "file" / "state")


def test_a_key_that_can_not_be_kept_gives_the_folder_back(tmp_path: Path) -> None:
    (tmp_path / "node.key.new").mkdir()
    identity = Identity(tmp_path)
    with pytest.raises(FedbedError, match=r"can't be used \(Is a directory: .*node.key.new\)"):
        identity.acquire()
    (tmp_path / "node.key.new").rmdir()
    acquired(tmp_path).release()
