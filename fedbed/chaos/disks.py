"""Small file systems of their own, that may be filled without harm to anything else."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
import threading
from pathlib import Path

from fedbed.errors import RequirementMissing, UsageError

BALLAST = "ballast"
BLOCK = 64 * 1024
REFILL_S = 0.01


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
        self._freed = threading.Event()
        self._filler: threading.Thread | None = None
        options = f"size={size_mb}m,mode=0700"
        _mount("mount", "-t", "tmpfs", "-o", options, "fedbed-chaos", str(folder))

    def fill(self) -> None:
        """Leave no room until `free`, whatever others remove meanwhile.

        UsageError if this is no file system of its own (any more).
        """
        if not os.path.ismount(self.folder):
            raise UsageError(f"'{self.folder}' is no file system of its own: it won't be filled")
        self._freed.clear()
        ballast = os.open(self._ballast, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        _write_until_full(ballast)
        self._filler = threading.Thread(target=self._keep_full, args=(ballast,), daemon=True)
        self._filler.start()

    def free(self) -> None:
        """Give the room back. Idempotent."""
        self._freed.set()
        if self._filler is not None:
            self._filler.join()
            self._filler = None
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount; whoever still uses it keeps it until they end. Idempotent."""
        if os.path.ismount(self.folder):
            _mount("umount", "-l", str(self.folder))

    def _keep_full(self, ballast: int) -> None:
        try:
            while not self._freed.wait(REFILL_S):
                _write_until_full(ballast)
        finally:
            os.close(ballast)

    @property
    def _ballast(self) -> Path:
        return self.folder / BALLAST


def _write_until_full(file: int) -> None:
    size = BLOCK
    while size:
        try:
            os.write(file, bytes(size))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            size //= 2


def _mount(*command: str) -> None:
    try:
        done = subprocess.run(  # nosec B603 # mount and umount, on a folder of ours
            command, capture_output=True, text=True, timeout=30, check=False
        )
    except OSError as error:
        raise RequirementMissing(f"`{command[0]}` can't be run ({error.strerror})") from error
    if done.returncode != 0:
        why = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise RequirementMissing(f"no file system can be mounted here ({why})")
