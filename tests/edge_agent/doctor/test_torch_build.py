from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.doctor import torch_build
from edge_agent.doctor.setup import Setup
from edge_agent.doctor.torch_build import Trial, core_of, judge_cuda, judge_torch, model_of, try_it
from fedbed.link.health import FAIL, OK, SKIPPED, WARN
from tests.edge_agent.probes.handmade import tree

Make = Callable[[str], str]
WORKS = Trial("2.9.1", tuple(torch_build.EXPECTED.items()), cuda=False)
PI_4 = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n"


def test_torch_here_convolves_and_learns() -> None:
    trial = try_it(sys.executable, threads=1, limit_s=60)
    assert judge_torch(trial, "core", sys.executable).level == OK
    assert [step for step, _ in trial.values] == list(torch_build.EXPECTED)


def test_an_illegal_instruction_is_caught_and_explained(fake_python: Make) -> None:
    python = fake_python("""echo '{"step": "imported", "version": "2.10.0"}'; kill -ILL $$""")
    finding = judge_torch(try_it(python, 1), core_of(PI_4, "aarch64"), python)
    assert finding.level == FAIL
    assert finding.found == (
        "torch 2.10.0 uses an instruction that this Cortex-A72 lacks: signal 4 (SIGILL) in the "
        "step 'convolution'"
    )
    assert finding.mend == f"{python} -m pip install 'torch==2.9.1'"


def test_one_at_its_import_is_too(fake_python: Make) -> None:
    finding = judge_torch(try_it(fake_python("kill -ILL $$"), 1), "core", "p")
    assert finding.level == FAIL
    assert "when it is imported" in finding.found


def test_one_in_a_container_is_told_by_its_exit_code(fake_python: Make) -> None:
    finding = judge_torch(try_it(fake_python("exit 132"), 1), "core", "p")
    assert "signal 4 (SIGILL)" in finding.found


def test_an_end_by_the_kernel_fails(fake_python: Make) -> None:
    finding = judge_torch(try_it(fake_python("kill -KILL $$"), 1), "core", "p")
    assert finding.level == FAIL
    assert "signal 9 (SIGKILL)" in finding.found
    assert "memory" in finding.mend


def test_wrong_numbers_fail() -> None:
    wrong = replace(WORKS, values=(("convolution", 1.0), ("product", float("nan"))))
    finding = judge_torch(wrong, "core", "p")
    assert finding.level == FAIL
    assert "wrong numbers on this core: product" in finding.found


def test_what_takes_too_long_warns_and_what_is_not_there_is_skipped(fake_python: Make) -> None:
    assert judge_torch(try_it(fake_python("sleep 60"), 1, limit_s=0.3), "core", "p").level == WARN
    missing = try_it(fake_python("""echo '{"step": "missing"}'"""), 1)
    assert judge_torch(missing, "core", "p").level == SKIPPED


def test_nothing_is_tried_while_the_node_trains(setup: Setup) -> None:
    busy = replace(setup, light=True, worker_python="/nowhere/python")
    assert {f.level for f in torch_build.GROUP.examine(busy)} == {SKIPPED}


@pytest.mark.parametrize(
    ("board", "cuda", "level"),
    [
        ("jetson-nano", False, WARN),
        ("jetson-nano", True, OK),
        ("jetson-nano", None, SKIPPED),
        ("raspberry-pi-4", False, SKIPPED),
        ("pc", False, SKIPPED),
    ],
)
def test_a_jetson_without_cuda_warns(board: str, cuda: bool | None, level: str) -> None:
    finding = judge_cuda(replace(WORKS, cuda=cuda), model_of(tree(board) / "sys"))
    assert finding.level == level


def test_cores_are_named() -> None:
    assert core_of(PI_4, "aarch64") == "Cortex-A72"
    assert core_of("model name\t: Some CPU\n", "x86_64") == "Some CPU"
    assert core_of("", "aarch64") == "aarch64 CPU"
    assert model_of(Path("/nowhere")) == ""
