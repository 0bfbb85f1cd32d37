from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, List

import pytest

import fedbed.data
from fedbed.cli.data import _Progress, register
from fedbed.data.cards import Card, load_card
from fedbed.errors import DataError, ExperimentError, RequirementMissing
from tests.fedbed.data import painting


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser(prog="fedbed")
    register(parser.add_subparsers(required=True))
    args = parser.parse_args(["data", *argv])
    code = args.func(args)
    assert isinstance(code, int)
    return code


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    """The only data set there is: four small files, all intact."""
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    mnist = load_card("mnist")
    (tmp_path / "toy").mkdir()
    files = []
    for file in mnist.files:
        content = file.role.encode()
        (tmp_path / "toy" / file.name).write_bytes(content)
        files.append(
            replace(
                file,
                size=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                urls=("http://127.0.0.1:9/nobody-listens",),
            )
        )
    card = replace(mnist, name="toy", files=tuple(files))
    monkeypatch.setattr(fedbed.data, "card_names", lambda: ["toy"])
    monkeypatch.setattr(fedbed.data, "load_card", lambda name: card)
    return card


def test_list_of_what_fedbed_knows(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path))
    assert run("list") == 0
    text = capsys.readouterr().out
    assert "mnist: MNIST handwritten digits" in text
    assert "missing (4 of 4 files)" in text
    assert "11.6 MB" in text
    assert str(tmp_path / "mnist") in text
    assert "CC BY-SA 3.0" in text

    assert run("list", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["mnist"]["bytes"] == 11_594_722
    assert rows["mnist"]["status"] == "missing (4 of 4 files)"
    assert rows["synthetic-digits"]["status"] == "generated"
    assert rows["synthetic-digits"]["where"] is None


def test_list_tells_corrupt_and_present(
    toy: Card, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("list", "--json")
    assert json.loads(capsys.readouterr().out)[0]["status"] == "present"
    (tmp_path / "toy" / toy.files[0].name).write_bytes(b"?")
    run("list", "--json")
    assert json.loads(capsys.readouterr().out)[0]["status"] == "corrupt (1 of 4 files)"


def test_check_all_well(toy: Card, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "toy") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"toy/{file.name}: OK" for file in toy.files]
    assert run("check", "--json") == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_check_with_a_problem(
    toy: Card, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "toy" / toy.files[1].name).write_bytes(b"?")
    (tmp_path / "toy" / toy.files[2].name).unlink()
    assert run("check") == DataError.exit_code == 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(": OK")
    assert toy.files[1].sha256 in lines[1]
    assert "missing" in lines[2]
    assert lines[-1] == "to mend it, run: fedbed data fetch toy"

    assert run("check", "--json") == 4
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    states = [one["state"] for one in report["data_sets"]["toy"]]
    assert states == ["present", "corrupt", "missing", "present"]


def test_check_sends_nobody_to_a_download_that_there_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path))
    assert run("check", "cifar10") == 4
    names = "cifar10_test_4000.npz, cifar10_train_20000.npz"
    cure = f"to mend it, put {names} by hand into {tmp_path / 'cifar10'}"
    assert capsys.readouterr().out.splitlines()[-1] == cure


def test_check_of_generated_arrays(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run("check", "synthetic-digits") == 0
    assert capsys.readouterr().out == "synthetic-digits/arrays: OK\n"


def test_a_data_set_of_many_pictures_is_told_briefly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path))
    painting.toy(tmp_path / "mine")
    card = (tmp_path / "mine" / "card.yaml").read_text().replace("name: toy", "name: mine")
    (tmp_path / "mine" / "card.yaml").write_text(card)
    assert run("check", "mine") == 0
    assert capsys.readouterr().out == "mine: 18 of 18 files OK\n"
    assert run("fetch", "mine") == 0
    assert "mine: 0 files fetched, all 18 intact" in capsys.readouterr().out
    (tmp_path / "mine" / "train" / "images" / "a_0.png").unlink()
    assert run("check", "mine") == 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mine/train/images/a_0.png: missing, not at ")
    assert lines[1:] == [
        "mine: 17 of 18 files OK",
        f"to mend it, put train/images/a_0.png by hand into {tmp_path / 'mine'}",
    ]
    assert run("list") == 0
    text = capsys.readouterr().out
    assert "mine: A toy\n  status   missing (1 of 18 files)" in text
    assert "learn    masks, 3 classes, 6 + 2 samples of 16x16x3, in groups" in text


def test_a_card_of_the_user_s_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path))
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "card.yaml").write_text("name: odd\n")
    assert run("list") == 0
    path = tmp_path / "odd" / "card.yaml"
    assert f"status   card unusable: {path}: the key 'kind' is" in capsys.readouterr().out


def test_fetch_with_everything_here(toy: Card, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fetch", "toy") == 0
    assert "0 files fetched, all 4 intact" in capsys.readouterr().out


def test_fetch_shows_progress_and_passes_the_timeout(
    toy: Card, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(card: Card, progress: Any, timeout_s: float) -> List[str]:
        assert timeout_s == 2.5
        for file in card.files:
            progress(1, file.size, file.name)
            progress(file.size, file.size, file.name)
        return [file.name for file in card.files]

    monkeypatch.setattr(fedbed.data, "fetch", fetch)
    assert run("fetch", "toy", "--timeout-s", "2.5") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[0] == "train-images-idx3-ubyte.gz: 0.0 kB received"
    assert lines[-1].startswith("toy: 4 files fetched")


def test_fetch_without_a_mirror_raises_data_error(toy: Card, tmp_path: Path) -> None:
    (tmp_path / "toy" / toy.files[3].name).unlink()
    with pytest.raises(DataError, match=r"can't download t10k-labels-idx1-ubyte\.gz"):
        run("fetch", "toy", "--timeout-s", "2")


def test_fetch_of_a_generated_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fetch", "synthetic-digits") == 0
    assert "nothing to fetch" in capsys.readouterr().out


def test_unknown_name() -> None:
    with pytest.raises(ExperimentError, match="did you mean 'mnist'"):
        run("fetch", "mnis")
    with pytest.raises(ExperimentError, match="did you mean 'mnist'"):
        run("check", "mnis")


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "soon"])
def test_timeout_must_be_a_positive_number(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run("fetch", "mnist", "--timeout-s", value)
    assert caught.value.code == 2


def test_progress_on_a_terminal_shows_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([10.0, 11.0, 11.01, 12.0, 13.0])
    progress = _Progress(tty=True, clock=lambda: next(times))
    progress(0, 4_000_000, "a")
    progress(1_000_000, 4_000_000, "a")
    progress(1_100_000, 4_000_000, "a")  # too soon after the last: not shown
    progress(2_000_000, 4_000_000, "a")
    progress(4_000_000, 4_000_000, "a")
    shown = [part.strip() for part in capsys.readouterr().out.split("\r")]
    assert shown[1:] == [
        "a: 0.0 kB of 4.0 MB",
        "a: 1.0 MB of 4.0 MB, 3 s left",
        "a: 2.0 MB of 4.0 MB, 2 s left",
        "a: 4.0 MB of 4.0 MB",
    ]


def test_missing_package_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("fedbed.data")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(RequirementMissing, match=r"package yaml: pip install 'fedbed\[train\]'"):
        run("list")


def test_the_command_line_starts_without_numpy_and_yaml() -> None:
    code = "import sys, fedbed.cli.data; print([m for m in ('numpy', 'yaml') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
