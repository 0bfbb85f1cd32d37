from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from fedbed.cli import results
from fedbed.cli import session as module
from fedbed.cli.session import Session, session
from fedbed.cli.targets import Target
from fedbed.client import Client
from fedbed.errors import RunFailed, UsageError
from fedbed.testbed import LocalTestbed
from tests.fedbed.cli import pictures

TARGET = Target("demo", 1)


def client(files: dict[str, bytes], **run: Any) -> Client:
    """A client of a coordinator whose only run, r1, has ended."""
    ended = pictures.run(id="r1", **run)

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1/")
        if path == "runs/r1/files":
            return httpx.Response(200, json=[{"name": name, "size": 1} for name in files])
        if path.startswith("runs/r1/files/"):
            return httpx.Response(200, content=files[path.rpartition("/")[2]])
        answers = {"live": pictures.picture(runs=[ended]), "runs": {"id": "r1"}}
        return httpx.Response(200, json=answers[path])

    return Client("http://127.0.0.1:1", httpx.MockTransport(answer))


def test_where_results_cannot_go_is_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object) -> None:
        raise AssertionError("started")

    monkeypatch.setattr(module, "LocalTestbed", start)
    (tmp_path / "file").touch()
    for there in (None, Client("http://127.0.0.1:1")):
        with pytest.raises(UsageError, match=r"can't write results to '.*file/x'.* --output"):
            session(there, 1, tmp_path / "file" / "x").__enter__()


def test_a_folder_that_takes_no_file_is_found_out_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(**_: object) -> None:  # as root one may write anywhere
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", read_only)
    with pytest.raises(UsageError, match="Read-only file system"):
        session(Client("http://127.0.0.1:1"), 1, tmp_path).__enter__()


def test_an_empty_folder_for_results_is_all_that_the_probe_leaves(tmp_path: Path) -> None:
    results.prepare(tmp_path / "a" / "b")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "b"]


@pytest.mark.e2e
def test_results_that_cannot_be_written_are_kept_and_named(tmp_path: Path) -> None:
    (tmp_path / "r1").write_text("a file where the run's folder should be")
    with LocalTestbed(0) as testbed:
        kept = testbed.state_dir
        there = client({"result.json": b"{}"}, state="finished")
        here = Session(there, testbed, tmp_path, True, io.StringIO())
        with pytest.raises(UsageError, match=f"they lie in {kept}/coordinator/runs/r1$"):
            here.run(TARGET)
    assert (kept / "coordinator" / "fedbed.sqlite").is_file()
    shutil.rmtree(kept)


def test_on_another_coordinator_they_can_be_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "r1").write_text("a file where the run's folder should be")
    there = client({"result.json": b"{}"}, state="finished")
    here = Session(there, None, tmp_path, True, io.StringIO())
    with pytest.raises(UsageError, match=r"`fedbed runs fetch r1` gets them later$"):
        here.run(TARGET)


@pytest.mark.parametrize("files", [{}, {"server.log": b"x"}])
def test_a_failed_run_names_a_folder_only_if_something_lies_in_it(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    there, said = client(files, state="failed", error="no nodes"), io.StringIO()
    with pytest.raises(RunFailed, match="no nodes"):
        Session(there, None, tmp_path, True, said).run(TARGET)
    assert (f"what there is of it lies in {tmp_path / 'r1'}" in said.getvalue()) == bool(files)
    assert (tmp_path / "latest").is_symlink() == bool(files)
