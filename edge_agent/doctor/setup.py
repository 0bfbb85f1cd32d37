"""What is examined: the agent's settings, and what is planned for the node."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from edge_agent.config import AgentConfig
from fedbed.link.health import Checkup


@dataclass(frozen=True)
class Setup:
    """light: the node trains, so that nothing may take its time. root: where /proc, /etc lie."""

    coordinator: str
    name: str
    state_dir: Path
    worker_python: str
    threads: int = 1
    ca: Optional[Path] = None
    enrol_file: Optional[Path] = None
    data_path: Optional[Path] = None
    memory_bytes: int = 0
    packages: Tuple[str, ...] = ()
    dataset: str = ""
    light: bool = False
    sysfs: Path = Path("/sys")
    root: Path = Path("/")

    @property
    def proc(self) -> Path:
        """Where procfs is mounted."""
        return self.root / "proc"


_PATHS = ("state_dir", "ca", "enrol_file", "data_path", "sysfs", "root")


def of(config: AgentConfig, checkup: Checkup, light: bool = False) -> Setup:
    """Return what there is to examine of a node with these settings."""
    return Setup(
        coordinator=config.coordinator,
        name=config.name,
        state_dir=config.state_dir,
        worker_python=config.worker_python,
        threads=config.threads,
        ca=config.ca,
        enrol_file=config.enrol_file,
        data_path=config.data_path,
        memory_bytes=checkup.memory_bytes,
        packages=tuple(checkup.packages),
        dataset=checkup.dataset,
        light=light,
    )


def pack(setup: Setup) -> Dict[str, Any]:
    """Return it as JSON-ready data, for a child; `unpack` undoes that."""
    return {
        key: str(value) if isinstance(value, Path) else value
        for key, value in asdict(setup).items()
    }


def unpack(data: Dict[str, Any]) -> Setup:
    """Undo `pack`."""
    paths = {key: Path(data[key]) for key in _PATHS if data[key] is not None}
    return Setup(**{**data, **paths, "packages": tuple(data["packages"])})
