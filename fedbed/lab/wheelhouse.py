"""`make wheelhouse`: every wheel that a board needs, in a folder, so that boards need no internet.

    wheelhouse/aarch64-cp311/agent/requirements.txt    each wheel by name, version and SHA-256
    wheelhouse/aarch64-cp311/agent/psutil-....whl

A folder for each kind of board (machine and Python), in it one for each part: `fedbed` itself,
`agent` (what the daemon imports, and pip to install all of them), `numpy` (a worker that trains
without torch), `torch` (what else a worker needs for all other tasks); and `coordinator`, all that
one needs, for the kind of machine that makes it. Boards check the hashes, so it doesn't matter
which way a wheel comes to them. ansible/README.md tells who uses it.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import tomllib

from fedbed.cli.parser import Parser
from fedbed.errors import FedbedError, UsageError

ROOT = Path(__file__).parents[2]
_KIND = re.compile(r"(aarch64|x86_64)-cp3(\d{1,2})")
_GLIBC = (17, 24, 26, 27, 28, 31)
"""Minor versions of glibc 2 that wheels may need; Ubuntu 18.04 has 2.27, Debian 11 has 2.31."""
_FOR_NODES = ("fedbed", "agent", "numpy", "torch")
_COORDINATOR = "coordinator"
_TORCH = {"aarch64": "torch==2.9.1", "x86_64": "torch"}
"""On Arm 2.10 dies of an illegal instruction on a Cortex-A72 (Pi 4), and 2.11 brings CUDA along."""
_FOR_TORCH = (
    *("filelock", "fsspec", "jinja2", "markupsafe", "mpmath", "networkx", "setuptools<82"),
    *("sympy", "typing-extensions"),
)
"""What torch imports on a CPU. By name, because pip would ask this machine's kind, not the board's,
which of its dependencies are wanted."""


class Kind(NamedTuple):
    """A kind of board: its machine as `uname -m` has it, and its Python 3.`minor`."""

    machine: str
    minor: int

    @classmethod
    def parse(cls, text: str) -> Kind:
        """Read `aarch64-cp311`; UsageError for what is none."""
        match = _KIND.fullmatch(text)
        if not match or int(match[2]) < 8:
            raise UsageError(
                f"wheelhouse: '{text}' is no kind of board; give a machine and a Python from 3.8, "
                "such as aarch64-cp311 or x86_64-cp312"
            )
        return cls(match[1], int(match[2]))

    @classmethod
    def here(cls) -> Kind:
        """Return this machine's."""
        return cls.parse(f"{platform.machine()}-cp3{sys.version_info.minor}")

    def __str__(self) -> str:
        return f"{self.machine}-cp3{self.minor}"

    @property
    def flags(self) -> list[str]:
        """What makes pip look for this kind's wheels."""
        tag = f"cp3{self.minor}"
        tags = [f"manylinux_2_{glibc}_{self.machine}" for glibc in _GLIBC]
        tags += [f"manylinux2014_{self.machine}", f"linux_{self.machine}"]
        flags = ["--only-binary=:all:", "--implementation=cp", f"--python-version=3.{self.minor}"]
        flags += [f"--platform={tag}" for tag in tags]
        return [*flags, f"--abi={tag}", "--abi=abi3", "--abi=none"]


def wanted(part: str, kind: Kind, project: dict[str, list[str]]) -> list[str]:
    """Return what a part asks pip for. project: `dependencies` and `train` of pyproject.toml."""
    if part == "agent":
        return [*project["dependencies"], "pip"]
    if part == "numpy":
        return [line for line in project["train"] if not line.startswith("torch")]
    return [_TORCH[kind.machine], *_FOR_TORCH]


def lock(folder: Path) -> None:
    """Write requirements.txt: the folder's wheels with their versions and hashes."""
    lines = []
    for wheel in sorted(folder.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name.replace('_', '-').lower()}=={version} --hash=sha256:{digest}\n")
    (folder / "requirements.txt").write_text("".join(lines))


def build(kind: Kind, parts: list[str], target: Path, fedbed: Path) -> None:
    """Put a kind's parts into `target`, each complete or as it was before."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    project = {
        "dependencies": found["dependencies"],
        "train": found["optional-dependencies"]["train"],
    }
    for part in parts:
        with tempfile.TemporaryDirectory(prefix="fedbed-wheels-") as made:
            constraint = f"--constraint={ROOT / 'constraints.txt'}"
            if part == "fedbed":
                shutil.copy(fedbed, made)
            elif part == _COORDINATOR:
                if kind != Kind.here():
                    raise UsageError(
                        f"wheelhouse: a coordinator's wheels are made on its kind of machine, and "
                        f"this is {Kind.here()}, not {kind}"
                    )
                _pip("wheel", "--wheel-dir", made, constraint, f"{ROOT}[coordinator]")
                (Path(made) / fedbed.name).unlink()
            else:
                pinned = [constraint] if kind.machine == "x86_64" else []
                asked = wanted(part, kind, project)
                _pip("download", "--no-deps", "--dest", made, *kind.flags, *pinned, *asked)
            lock(Path(made))
            place = target / str(kind) / part
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(made, place)
        print(f"{place}: {sum(1 for _ in place.glob('*.whl'))} wheels")


def main(argv: list[str]) -> int:
    """Build what the arguments name; returns the exit code."""
    p = Parser(own_program=True, prog="python -m fedbed.lab.wheelhouse", description=__doc__)
    p.add_argument("kinds", nargs="*", metavar="KIND", help="aarch64-cp311, ... (default: this)")
    p.add_argument("--to", type=Path, default=ROOT / "wheelhouse", metavar="DIR")
    p.add_argument(
        "--parts",
        nargs="+",
        choices=[*_FOR_NODES, _COORDINATOR],
        default=list(_FOR_NODES),
        metavar="PART",
        help="all but coordinator unless given",
    )
    args: argparse.Namespace = p.parse_args(argv)
    kinds = [Kind.parse(text) for text in args.kinds] or [Kind.here()]
    with tempfile.TemporaryDirectory(prefix="fedbed-wheel-") as made:
        _pip("wheel", "--no-deps", "--wheel-dir", made, str(ROOT))
        (fedbed,) = Path(made).glob("fedbed-*.whl")
        for kind in kinds:
            build(kind, args.parts, args.to, fedbed)
    return 0


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # nosec B603 # pip
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        said = errors[-1] if errors else done.stderr.strip()[-300:]
        raise FedbedError(f"wheelhouse: pip {arguments[0]} failed: {said}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except FedbedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
