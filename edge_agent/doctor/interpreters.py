"""Python and its packages: the daemon's own, and the worker's, which may be another."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import metadata
from typing import Dict, List, Mapping, Sequence, Tuple

from edge_agent.doctor import children
from edge_agent.doctor.check import Check, Group
from edge_agent.doctor.setup import Setup
from fedbed.link.health import Finding

OLDEST = (3, 8)
LIMIT_S = 12.0
OURS = {"psutil": (5, 9), "paho-mqtt": (2, 0)}
"""What the base install brings: pyproject.toml, `dependencies`."""
THEIRS = {
    "numpy": (1, 24),
    "torch": (2, 0),
    "pillow": (9, 1),
    "pyyaml": (6, 0),
    "zstandard": (0, 22),
}
"""What `fedbed[train]` brings: pyproject.toml."""
_WITHOUT = {
    "torch": "only the task mnist_softmax runs",
    "pillow": "no data set of picture files can be read",
    "pyyaml": "no data set's card can be read",
    "zstandard": "updates are compressed by zlib, less and slower",
}

PYTHON = Check(
    "python",
    warns="",
    fails="the agent's interpreter is older than Python 3.8",
    why="the agent is written for Python 3.8 and newer: an older one stops at the first module",
    mend="install a newer Python, and make the agent's environment with it",
)
AGENT_PACKAGES = Check(
    "agent-packages",
    warns="paho-mqtt is missing, or it or psutil is too old",
    fails="",
    why="the agent measures with psutil, and speaks to a broker with paho-mqtt",
    mend="AGENT_PYTHON -m pip install --upgrade fedbed",
)
WORKER = Check(
    "worker",
    warns="",
    fails="`--worker-python` doesn't start, or is older than Python 3.8",
    why="the worker trains in that interpreter: without it the agent doesn't even join",
    mend="name an interpreter that starts with --worker-python",
)
WORKER_PACKAGES = Check(
    "worker-packages",
    warns="torch, pillow, pyyaml or zstandard is missing, or a package is too old",
    fails="numpy is missing, a package is that the planned task needs, or importing one fails",
    why="a task whose packages are missing fails in its first round",
    mend="WORKER_PYTHON -m pip install 'fedbed[train]'",
)


@dataclass(frozen=True)
class Interpreter:
    """What a child of the worker's interpreter said before it ended.

    error: why it did not start; empty if it did. versions: of the distributions found. broken:
    those whose import fails, and how. died_in: the import in which a signal or `exit` ended it.
    """

    version: Tuple[int, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    died_in: str = ""
    death: str = ""
    error: str = ""


# torch is imported by another child, because it takes seconds, and flwr only where an app runs.
_PROBE = """
import json, sys
def say(**more):
    sys.stdout.write(json.dumps(more) + "\\n")
    sys.stdout.flush()
say(version=list(sys.version_info[:3]))
from importlib import import_module, metadata
for name, module in (("numpy", "numpy"), ("pillow", "PIL.Image"), ("pyyaml", "yaml"),
                     ("zstandard", "zstandard"), ("flwr", ""), ("torch", "")):
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        continue
    say(found=name, is_version=found)
    try:
        if module:
            import_module(module)
        say(works=name)
    except Exception as error:
        say(broken=name, how=type(error).__name__ + ": " + str(error))
"""


def judge_python(version: Sequence[int]) -> Finding:
    """Conclude on the agent's interpreter."""
    text = ".".join(map(str, version[:3]))
    return PYTHON.ok(text) if tuple(version[:2]) >= OLDEST else PYTHON.fail(text)


def judge_agent_packages(versions: Mapping[str, str]) -> Finding:
    """Conclude on the agent's packages; versions: of those that there are."""
    missing = [name for name in OURS if name not in versions]
    old = _too_old(versions, OURS)
    mend = f"{sys.executable} -m pip install --upgrade fedbed"
    if missing or old:
        told = [f"{name} is missing" for name in missing] + old
        return AGENT_PACKAGES.warn("; ".join(told), mend)
    return AGENT_PACKAGES.ok(_listed(versions))


def judge_worker(reading: Interpreter, path: str) -> Finding:
    """Conclude on the worker's interpreter."""
    if reading.error:
        return WORKER.fail(f"'{path}' {reading.error}")
    text = f"{'.'.join(map(str, reading.version))} ({path})"
    return WORKER.ok(text) if reading.version[:2] >= OLDEST else WORKER.fail(text)


def judge_worker_packages(reading: Interpreter, path: str, needed: Sequence[str]) -> Finding:
    """Conclude on the worker's packages; needed: those of the planned task."""
    check = WORKER_PACKAGES
    install = f"{path} -m pip install 'fedbed[train]'"
    if reading.error:
        return check.skipped("the worker's interpreter doesn't start")
    if reading.died_in:
        name = reading.died_in
        version = reading.versions.get(name, "")
        mend = f"{path} -m pip install --force-reinstall {name}   # or another version of it"
        if name == "numpy" and "SIGILL" in reading.death:
            # numpy issue 18131: OpenBLAS took the Nano's Cortex-A57 for a core that it isn't.
            mend = "OPENBLAS_CORETYPE=ARMV8   # in the agent's environment; or a newer numpy"
        return check.fail(f"importing {name} {version} ends with {reading.death}", mend)
    if reading.broken:
        name, how = next(iter(reading.broken.items()))
        mend = f"{path} -m pip install --force-reinstall {name}"
        return check.fail(f"importing {name} fails: {how}", mend)
    missing = [n for n in dict.fromkeys([*THEIRS, *needed]) if n not in reading.versions]
    lacking = [name for name in missing if name in ("numpy", *needed)]
    if lacking:
        return check.fail(f"{', '.join(lacking)} missing", install)
    told = [f"{name} is missing: {_WITHOUT[name]}" for name in missing]
    told += _too_old(reading.versions, THEIRS)
    if told:
        return check.warn("; ".join(told), install)
    return check.ok(_listed(reading.versions))


def agent_versions() -> Dict[str, str]:
    """Return the versions of the agent's own packages that are installed."""
    found = {}
    for name in OURS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def ask(python: str, limit_s: float = LIMIT_S - 1) -> Interpreter:
    """Start the worker's interpreter and let it import what it has."""
    try:
        answer = children.run([python, "-c", _PROBE], limit_s)
    except OSError as error:
        return Interpreter(error=f"can't be started ({error.strerror})")
    except subprocess.TimeoutExpired:
        return Interpreter(error=f"was not through with its packages within {limit_s:g} s")
    version: Tuple[int, ...] = ()
    versions: Dict[str, str] = {}
    broken: Dict[str, str] = {}
    latest = ""
    for told in answer.lines:
        if "version" in told:
            version = tuple(map(int, told["version"]))
        elif "found" in told:
            latest = told["found"]
            versions[latest] = told["is_version"]
        elif "broken" in told:
            latest, broken[told["broken"]] = "", told["how"]
        else:
            latest = ""
    if not version:
        return Interpreter(error=f"is no Python of 3.8 or newer: it ends with {answer.death}")
    died_in = latest if answer.death else ""
    return Interpreter(version, versions, broken, died_in, answer.death)


def _examine(setup: Setup) -> List[Finding]:
    reading = ask(setup.worker_python)
    return [
        judge_python(tuple(sys.version_info[:3])),
        judge_agent_packages(agent_versions()),
        judge_worker(reading, setup.worker_python),
        judge_worker_packages(reading, setup.worker_python, setup.packages),
    ]


def _too_old(versions: Mapping[str, str], oldest: Mapping[str, Tuple[int, int]]) -> List[str]:
    return [
        f"{name} {versions[name]} is older than {least[0]}.{least[1]}"
        for name, least in oldest.items()
        if name in versions and numbers(versions[name]) < least
    ]


def numbers(version: str) -> Tuple[int, ...]:
    """Return the first two numbers of a version, 0 for one that isn't there: 2.1.0a0+nv -> 2, 1."""
    found = [int(digits) for digits in re.findall(r"\d+", version.partition("+")[0])[:2]]
    return tuple([*found, 0, 0][:2])


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


GROUP = Group(
    "interpreters", (PYTHON, AGENT_PACKAGES, WORKER, WORKER_PACKAGES), _examine, limit_s=LIMIT_S
)
