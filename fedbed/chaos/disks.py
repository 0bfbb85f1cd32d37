"""Small file systems of their own, that may be filled without harm to anything else."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from pathlib import Path

from fedbed.errors import RequirementMissing, UsageError

BALLAST = "ballast"
BLOCK = 64 * 1024


def refusal() -> str:
    """Say why no file system can be made here; empty if one can."""
    if os.geteuid() != 0:
        return "filling a disk needs root, to mount a small file system of its own"
    with tempfile.TemporaryDirectory(prefix="fedbed-mount-") as folder:
        try:
            disk = SmallDisk(Path(folder), 1)
        except RequirementMissing as error:
            return str(error)
        disk.close()
    return ""


class SmallDisk:
    """A tmpfs of `size_mb` MB, mounted over `folder`; `close` takes it away with what is in it."""

    def __init__(self, folder: Path, size_mb: int) -> None:
        """Mount it; RequirementMissing where that isn't allowed."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        options = f"size={size_mb}m,mode=0700"
        _mount("mount", "-t", "tmpfs", "-o", options, "fedbed-chaos", str(folder))

    def fill(self) -> None:
        """Leave no room; UsageError if this is no file system of its own (any more)."""
        if not os.path.ismount(self.folder):
            raise UsageError(f"'{self.folder}' is no file system of its own: it won't be filled")
        try:
            with self._ballast.open("wb", buffering=0) as file:
                for size in (BLOCK, 512, 1):
                    _write_until_full(file.fileno(), bytes(size))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise

    def free(self) -> None:
        """Give the room back. Idempotent."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount; whoever still uses it keeps it until they end. Idempotent."""
        if os.path.ismount(self.folder):
            _mount("umount", "-l", str(self.folder))

    @property
    def _ballast(self) -> Path:
        return self.folder / BALLAST


def _write_until_full(file: int, block: bytes) -> None:
    try:
        while True:
            os.write(file, block)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def _mount(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError as error:
        raise RequirementMissing(f"`{command[0]}` can't be run ({error.strerror})") from error
    if done.returncode != 0:
        why = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise RequirementMissing(f"no file system can be mounted here ({why})")
