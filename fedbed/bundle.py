"""A Flower app's folder as one hashed file: what the coordinator sends to its nodes.

A zip with sorted names and fixed times, so that the same folder gives the same bytes. Standard
library only.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import List

from fedbed.errors import ExperimentError, PayloadError

MAX_BYTES = 32 * 1024 * 1024
MAX_FILES = 2000
_SKIPPED = {"__pycache__", "node_modules", "venv", "runs", "dist", "build"}
_EPOCH = (1980, 1, 1, 0, 0, 0)
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,  # an encrypted file
    FileExistsError,  # a name that is both a file and a folder
    IsADirectoryError,
    NotADirectoryError,
)


def pack(folder: Path) -> bytes:
    """Return the folder's files as a zip; ExperimentError if there is too much of it."""
    buffer = io.BytesIO()
    total = 0
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _files(folder):
            total += path.stat().st_size
            if total > MAX_BYTES:
                raise ExperimentError(
                    f"the app in '{folder}' is larger than {MAX_BYTES // 2**20} MiB: "
                    "keep data and models out of its folder"
                )
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes())
    return buffer.getvalue()


def unpack(path: Path, parent: Path) -> Path:
    """Unpack a bundle into `parent/<hash>`, once; returns that folder.

    PayloadError for an archive that is damaged, too large, or names files outside its folder.
    """
    data = path.read_bytes()
    target = parent / hashlib.sha256(data).hexdigest()[:24]
    if target.is_dir():
        return target
    parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=str(parent), prefix=".new-"))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check(archive)
            for info in archive.infolist():
                file = staging / info.filename
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.read(info))
        try:
            staging.rename(target)
        except OSError:
            # Another worker of this host was first; its copy is the same by its hash.
            if not target.is_dir():
                raise
    except _DAMAGE as error:
        raise PayloadError(f"the app's bundle is damaged: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _files(folder: Path) -> List[Path]:
    found: List[Path] = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in _SKIPPED and not f.startswith("."))
        found.extend(Path(root) / name for name in sorted(names) if not name.startswith("."))
        if len(found) > MAX_FILES:
            raise ExperimentError(f"the app in '{folder}' has more than {MAX_FILES} files")
    return [path for path in found if path.is_file() and not path.is_symlink()]


def _check(archive: zipfile.ZipFile) -> None:
    infos = archive.infolist()
    if len(infos) > MAX_FILES or sum(info.file_size for info in infos) > MAX_BYTES:
        raise PayloadError("the app's bundle is too large")
    for info in infos:
        name = PurePosixPath(info.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in info.filename or info.is_dir():
            raise PayloadError(f"the app's bundle names a file outside its folder: {info.filename}")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise PayloadError(f"the app's bundle packs {info.filename} in a way that is not ours")
