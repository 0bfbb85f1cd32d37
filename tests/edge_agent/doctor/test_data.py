from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edge_agent.doctor.data import judge_data, read
from edge_agent.doctor.setup import Setup
from fedbed.link.health import FAIL, OK, SKIPPED, WARN


def test_a_data_set_that_the_task_needs_must_be_there(setup: Setup, tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "mnist" / "images").write_bytes(b"x")
    reading = read(setup, tmp_path, chosen=True)
    assert judge_data(reading, "mnist").level == OK
    for missing in ("cifar10", "empty"):
        finding = judge_data(reading, missing)
        assert finding.level == FAIL
        assert f"fedbed data fetch {missing}" in finding.mend


def test_a_chosen_folder_that_is_not_there_warns(setup: Setup, tmp_path: Path) -> None:
    assert judge_data(read(setup, tmp_path / "no", chosen=True), "").level == WARN
    assert judge_data(read(setup, tmp_path / "no", chosen=False), "").level == SKIPPED


def test_the_nodes_own_samples_must_be_readable(setup: Setup, tmp_path: Path) -> None:
    own = tmp_path / "own.npz"
    node = replace(setup, data_path=own)
    assert judge_data(read(node, tmp_path, chosen=False), "").level == FAIL
    own.write_bytes(b"not a zip")
    assert judge_data(read(node, tmp_path, chosen=False), "").level == FAIL
    own.write_bytes(b"PK\x03\x04")
    assert judge_data(read(node, tmp_path, chosen=False), "").level == OK
