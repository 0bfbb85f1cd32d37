"""torch's build against this CPU, and CUDA on a Jetson: tried, in a child that may die of it.

Wheels may hold instructions that a CPU doesn't have; the kernel ends the process with SIGILL
(signal(7)) then, and no `except` catches that.
"""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from edge_agent.doctor import children
from edge_agent.doctor.check import Check, Group
from edge_agent.doctor.setup import Setup
from edge_agent.probes import files
from fedbed.link.health import Finding

LIMIT_S = 13.0
CORES = {
    "0xd03": "Cortex-A53",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
    "0xd42": "Cortex-A78AE",
}
"""Part numbers of the boards' cores: arch/arm64/include/asm/cputype.h of Linux."""
EXPECTED = {"convolution": 1.0, "product": 64.0, "trained": 0.9}
TOLERANCE = 1e-3
RUNS_ON_A72 = "2.9.1"

TORCH = Check(
    "torch",
    warns="torch was not imported and tried in time",
    fails="a convolution, its gradient and a step along it end with a signal, an error or wrong "
    "numbers",
    why="some wheels hold instructions that this CPU lacks: the worker would die in every round. "
    "torch 2.10.0 does on the Cortex-A72 of a Raspberry Pi 4; 2.9.1 runs there",
    mend=f"WORKER_PYTHON -m pip install 'torch=={RUNS_ON_A72}'",
    source="[signal(7)](https://man7.org/linux/man-pages/man7/signal.7.html), SIGILL",
)
CUDA = Check(
    "cuda",
    warns="the board is a Jetson and torch sees no GPU",
    fails="",
    why="torch from PyPI has no CUDA for a Jetson: it trains on the CPU, several times slower",
    mend="name the interpreter that has JetPack's torch with --worker-python (docs: NVIDIA, "
    "'Installing PyTorch for Jetson Platform')",
    source="[Installing PyTorch for Jetson Platform]"
    "(https://docs.nvidia.com/deeplearning/frameworks/install-pytorch-jetson-platform/index.html)",
)

# Everything is of ones, so that each result is known: 8 channels of 3x3 weights of 1/72 make 1.
_PROBE = """
import json, sys
def say(**more):
    sys.stdout.write(json.dumps(more) + "\\n")
    sys.stdout.flush()
try:
    import torch
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    say(step="missing")
    sys.exit(0)
say(step="imported", version=torch.__version__)
torch.set_num_threads(int(sys.argv[1]))
layer = torch.nn.Conv2d(8, 16, 3, padding=1, bias=False)
torch.nn.init.constant_(layer.weight, 1 / 72)
images = torch.ones(4, 8, 32, 32)
found = layer(images)
say(step="convolution", value=float(found[0, 0, 16, 16].detach()))
say(step="product", value=float((torch.ones(64, 64) @ torch.ones(64, 64))[0, 0]))
(found[0, 0, 16, 16] / 720).backward()
with torch.no_grad():
    # By hand: making a torch.optim.SGD imports torch's compiler, for as long as all else takes.
    layer.weight.sub_(layer.weight.grad)
say(step="trained", value=float(layer(images)[0, 0, 16, 16].detach()))
say(step="cuda", available=bool(torch.cuda.is_available()), built_for=torch.version.cuda)
"""


@dataclass(frozen=True)
class Trial:
    """What a child that computes with torch said before it ended.

    values: by the names of EXPECTED. death: how it ended before its time; error: why it did not
    start or come to its end.
    """

    version: str = ""
    values: Tuple[Tuple[str, float], ...] = ()
    missing: bool = False
    cuda: Optional[bool] = None
    built_for: str = ""
    death: str = ""
    error: str = ""


def judge_torch(trial: Trial, core: str, python: str) -> Finding:
    """Conclude on torch; core: what the CPU is called."""
    mend = f"{python} -m pip install 'torch=={RUNS_ON_A72}'"
    if trial.missing:
        return TORCH.skipped("torch is not installed in the worker's interpreter")
    if trial.error:
        return TORCH.warn(trial.error, "fedbed doctor   # again: now its files are in memory")
    name = f"torch {trial.version}".strip()
    done = [step for step, _ in trial.values]
    step = next((step for step in EXPECTED if step not in done), "cuda")
    if trial.death:
        where = f"in the step '{step}'" if trial.version else "when it is imported"
        if "SIGILL" in trial.death:
            found = f"{name} uses an instruction that this {core} lacks: {trial.death} {where}"
            return TORCH.fail(found, mend)
        if "SIGKILL" in trial.death:
            mend = "perhaps memory ran out: end other programs, or sudo apt install zram-tools"
        return TORCH.fail(f"{name} ends with {trial.death} {where}", mend)
    wrong = [s for s, value in trial.values if not abs(value - EXPECTED[s]) <= TOLERANCE]
    if wrong:
        return TORCH.fail(f"{name} computes wrong numbers on this {core}: {', '.join(wrong)}", mend)
    return TORCH.ok(f"{name} convolves and learns on this {core}")


def judge_cuda(trial: Trial, model: str) -> Finding:
    """Conclude on a Jetson's GPU; model: the board's, by its device tree."""
    if not is_jetson(model):
        return CUDA.skipped("this is no Jetson")
    if trial.cuda is None:
        return CUDA.skipped("torch doesn't run")
    if trial.cuda:
        return CUDA.ok(f"torch {trial.version} sees the GPU of this {model}")
    built = f"was built for CUDA {trial.built_for}" if trial.built_for else "has no CUDA"
    return CUDA.warn(f"torch {trial.version} {built} and sees no GPU on this {model}")


def is_jetson(model: str) -> bool:
    """Whether a device tree's model is a Jetson: 'NVIDIA Jetson Nano Developer Kit'."""
    return "jetson" in model.lower()


def core_of(cpuinfo: str, machine: str) -> str:
    """Return the CPU's name out of /proc/cpuinfo."""
    fields = dict(_fields(cpuinfo))
    part = CORES.get(fields.get("CPU part", ""), "")
    return part or fields.get("model name", "") or f"{machine} CPU"


def _fields(cpuinfo: str) -> List[Tuple[str, str]]:
    pairs = (line.partition(":") for line in cpuinfo.splitlines())
    return [(key.strip(), value.strip()) for key, _, value in pairs if value.strip()]


def model_of(sysfs: Path) -> str:
    """Return the board's model by its device tree, as BoardProbe reads it; empty for a PC."""
    return files.text_or_none(sysfs / "firmware" / "devicetree" / "base" / "model") or ""


def try_it(python: str, threads: int, limit_s: float = LIMIT_S - 1) -> Trial:
    """Compute in a child."""
    try:
        answer = children.run([python, "-c", _PROBE, str(threads)], limit_s, threads)
    except OSError as error:
        return Trial(error=f"'{python}' can't be started ({error.strerror})")
    except subprocess.TimeoutExpired:
        return Trial(error=f"torch was not imported and tried within {limit_s:g} s")
    steps: Dict[str, Dict[str, Any]] = {str(told.get("step")): told for told in answer.lines}
    cuda = steps.get("cuda", {})
    return Trial(
        version=steps.get("imported", {}).get("version", ""),
        values=tuple((step, float(steps[step]["value"])) for step in EXPECTED if step in steps),
        missing="missing" in steps,
        cuda=cuda.get("available"),
        built_for=cuda.get("built_for") or "",
        death=answer.death,
    )


def _examine(setup: Setup) -> List[Finding]:
    if setup.light:
        busy = "the node trains: that would be slowed down"
        return [TORCH.skipped(busy), CUDA.skipped(busy)]
    trial = try_it(setup.worker_python, setup.threads)
    cpuinfo = files.text_or_none(setup.proc / "cpuinfo") or ""

    core = core_of(cpuinfo, platform.machine())
    return [
        judge_torch(trial, core, setup.worker_python),
        judge_cuda(trial, model_of(setup.sysfs)),
    ]


GROUP = Group("torch", (TORCH, CUDA), _examine, limit_s=LIMIT_S)
