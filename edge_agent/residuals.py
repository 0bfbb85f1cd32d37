"""What lossy updates left out, kept on disk until the next update carries it.

One file per answered work item. The next item of the run starts from the newest file before its
own: so an item that has to be answered again (a restart, a lost result) starts from the same
residual as the first time, and one whose result nobody took leaves no trace. The worker reads and
writes the files; the daemon only strikes them off. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path
from typing import Dict, NamedTuple, Optional

FOLDER = "residuals"
"""Name of the folder within a node's state folder."""
SUFFIX = ".residual"
KEPT = 2
_ID = re.compile(r"(?P<run>[A-Za-z0-9._-]+)\.(?P<number>[0-9]{1,18})\.(?P<partition>[0-9]{1,9})")


class _Place(NamedTuple):
    run: str
    partition: int
    number: int


class Residuals:
    """A folder of residual files, those of one run: of each partition that this node has played."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def before(self, item: str) -> Optional[Path]:
        """Return the file that an item starts from; None if there is none."""
        place = _place(item)
        if place is None:
            return None
        earlier = {
            held.number: path
            for path, held in self._held().items()
            if held[:2] == place[:2] and held.number < place.number
        }
        return earlier[max(earlier)] if earlier else None

    def keep(self, item: str, data: bytes) -> None:
        """Keep what an item's answer left out; files of other runs and the partition's old ones go.

        Written by atomic rename and not synced: after a power cut a residual may be lost or
        damaged, which costs that much of the node's own past updates. An id of another form than
        run.number.partition keeps nothing. Raises OSError if the file can't be written.
        """
        place = _place(item)
        if place is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=str(self._folder), prefix=".", suffix=".part")
        try:
            with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
                file.write(data)
            Path(temporary).replace(self._path(item))
        except BaseException:
            os.unlink(temporary)  # noqa: PTH108 - as mkstemp named it
            raise
        held = self._held()
        same = sorted((h.number, path) for path, h in held.items() if h[:2] == place[:2])
        old = {path for _, path in same[:-KEPT]}
        for path, other in held.items():
            if path in old or other.run != place.run:
                self._remove(path)

    def forget(self, item: str) -> None:
        """The coordinator doesn't want the item's result: what it left out wasn't sent either."""
        if _place(item) is not None:
            self._remove(self._path(item))

    def sweep(self) -> None:
        """Remove half-written files; for when nobody writes: a worker that died left them."""
        for path in self._folder.glob(".*.part"):
            self._remove(path)

    def _path(self, item: str) -> Path:
        return self._folder / (item + SUFFIX)

    def _held(self) -> Dict[Path, _Place]:
        if not self._folder.is_dir():
            return {}
        found = {
            path: _place(path.name[: -len(SUFFIX)]) for path in self._folder.glob("*" + SUFFIX)
        }
        return {path: place for path, place in found.items() if place is not None}

    @staticmethod
    def _remove(path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _place(item: str) -> Optional[_Place]:
    found = _ID.fullmatch(item)
    if found is None:
        return None
    return _Place(found["run"], int(found["partition"]), int(found["number"]))
