"""Where downloaded data sets lie, whether they are intact, and how they get there.

A data set's files lie in `<data folder>/<data set>/`; `fedbed.data.places` says which folder.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, Optional, Set, Tuple
from urllib.parse import urlsplit

from fedbed.data.cards import Card, CardFile
from fedbed.data.places import data_dir
from fedbed.errors import DataError

Progress = Callable[[int, int, str], None]
"""Called with (bytes done, bytes in total, file name) while a file arrives."""

PRESENT, MISSING, CORRUPT = "present", "missing", "corrupt"

_BLOCK = 256 * 1024


@dataclass(frozen=True)
class FileStatus:
    """State of one file: `present`, `missing` or `corrupt`; `problem` is empty when present.

    `path` is None only for generated arrays where no cache can be.
    """

    name: str
    state: str
    path: Optional[Path]
    problem: str = ""


def status(card: Card) -> List[FileStatus]:
    """State of each file of `card`, in its order; every present file is hashed."""
    return [_inspect(card, file)[0] for file in card.files]


def check(card: Card) -> None:
    """Raise DataError, naming every problem and the command that mends them, unless all is well."""
    problems = [one for one in status(card) if one.state != PRESENT]
    if problems:
        raise _unusable(card, problems)


def read(card: Card, file: CardFile) -> bytes:
    """Content of one file, verified: DataError if it is missing or not what the card says.

    Hashing takes a few milliseconds per megabyte, less than unpacking, so each load does it, and
    what was verified is what is used.
    """
    found, data = _inspect(card, file)
    if found.state != PRESENT:
        raise _unusable(card, [found])
    return data


def fetch(card: Card, progress: Optional[Progress] = None, timeout_s: float = 20) -> List[str]:
    """Download what is missing or corrupt; return the names of the files that were downloaded.

    Each file goes to a `.part` file, is compared with the card's size and sha256, and only then
    takes its name (atomic rename). Mirrors are tried in order; one that failed is tried last for
    the files after it. timeout_s: seconds without a byte after which a mirror is given up.
    Files without mirrors come last, because they can only be put there by hand.
    Raises DataError if the folder can't be written, no mirror delivers or there is none.
    """
    wanted = [s.name for s in status(card) if s.state != PRESENT]
    if not wanted:
        return []
    folder = data_dir() / card.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    bad_hosts: Set[str] = set()
    done: List[str] = []
    for file in sorted(card.files, key=lambda file: not file.urls):
        if file.name not in wanted:
            continue
        if not file.urls:
            raise _by_hand(card, [f for f in card.files if f.name in wanted and not f.urls])
        reasons = []
        for url in sorted(file.urls, key=lambda url: _host(url) in bad_hosts):
            try:
                _download(url, file, folder, progress, timeout_s)
                break
            except _MirrorFailed as error:
                bad_hosts.add(_host(url))
                reasons.append(f"{_host(url)}: {error}")
        else:
            left = [name for name in wanted if name not in done]
            raise DataError(
                f"can't download {file.name} of {card.name} ({'; '.join(reasons)}): try again "
                f"later, or get the files elsewhere and put them into {folder}: {', '.join(left)}"
            )
        done.append(file.name)
    return done


class _MirrorFailed(Exception):
    """This mirror doesn't deliver this file; the next may."""


def _download(
    url: str, file: CardFile, folder: Path, progress: Optional[Progress], timeout_s: float
) -> None:
    # With the process id in it, two fetches at once can't write into each other's file.
    part = folder / f"{file.name}.{os.getpid()}.part"
    try:
        try:
            _receive(url, file, part, progress, timeout_s)
            part.replace(folder / file.name)
        finally:
            if part.exists():
                part.unlink()
    except OSError as error:
        raise _unwritable(folder, error) from error


def _receive(
    url: str, file: CardFile, part: Path, progress: Optional[Progress], timeout_s: float
) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "fedbed"})
    digest, done = hashlib.sha256(), 0
    with part.open("wb") as out:
        try:
            response = urllib.request.urlopen(request, timeout=timeout_s)  # nosec B310 # cards: http(s)
        except urllib.error.HTTPError as error:
            error.close()
            raise _MirrorFailed(f"HTTP {error.code} {error.reason}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _MirrorFailed(str(getattr(error, "reason", error)) or "no answer") from error
        with response:
            while done <= file.size:
                try:
                    block = response.read(_BLOCK)
                except (OSError, http.client.HTTPException) as error:
                    raise _MirrorFailed(f"broke off after {done} bytes: {error}") from error
                if not block:
                    break
                out.write(block)
                digest.update(block)
                done += len(block)
                if progress is not None:
                    progress(min(done, file.size), file.size, file.name)
        if done != file.size:
            much = "more than" if done > file.size else f"{done} of"
            raise _MirrorFailed(f"sent {much} {file.size} bytes")
        if digest.hexdigest() != file.sha256:
            raise _MirrorFailed(f"wrong sha256 {digest.hexdigest()}, expected {file.sha256}")
        out.flush()
        os.fsync(out.fileno())


def _inspect(card: Card, file: CardFile) -> Tuple[FileStatus, bytes]:
    """State of one file, and its content (empty unless present)."""
    path = data_dir() / card.name / file.name
    try:
        with path.open("rb") as handle:
            data = handle.read(file.size + 1)
    except (FileNotFoundError, NotADirectoryError):
        return FileStatus(file.name, MISSING, path, f"missing, not at {path}"), b""
    except OSError as error:
        problem = f"can't be read at {path} ({error.strerror or error})"
        return FileStatus(file.name, CORRUPT, path, problem), b""
    found = hashlib.sha256(data).hexdigest()
    if len(data) == file.size and found == file.sha256:
        return FileStatus(file.name, PRESENT, path), data
    size = f"more than {file.size}" if len(data) > file.size else f"{len(data)}"
    problem = f"corrupt at {path}: expected {file.size} bytes with sha256 {file.sha256}, "
    problem += f"found {size} bytes with sha256 {found}"
    return FileStatus(file.name, CORRUPT, path, problem), b""


def _unusable(card: Card, found: List[FileStatus]) -> DataError:
    missing = [one for one in found if one.state == MISSING and one.path is not None]
    problems = [f"{one.name}: {one.problem}" for one in found if one not in missing]
    if missing and missing[0].path is not None:
        names = ", ".join(one.name for one in missing)
        problems.insert(0, f"{missing[0].path.parent} lacks {names}")
    elsewhere = f"if you have it, set FEDBED_DATA to the folder above {card.name}/, else "
    mend = f"run: fedbed data fetch {card.name}"
    if not all(file.urls for file in card.files if file.name in [one.name for one in found]):
        mend = (
            "put the files there by hand: no public address is known "
            f"(datasets/{card.name}.yaml says what they are)"
        )
    return DataError(
        f"data set {card.name}: {'; '.join(problems)}; {elsewhere if missing else ''}{mend}"
    )


def _by_hand(card: Card, files: List[CardFile]) -> DataError:
    named = ", ".join(f"{file.name} ({file.size} bytes, sha256 {file.sha256})" for file in files)
    return DataError(
        f"data set {card.name} can't be downloaded, no public address is known: put by hand into "
        f"{data_dir() / card.name}: {named}; datasets/{card.name}.yaml says what they are"
    )


def _unwritable(folder: Path, error: OSError) -> DataError:
    why = error.strerror or str(error)
    return DataError(
        f"can't write to {folder} ({why}): set FEDBED_DATA to a folder with room that you may "
        "write to"
    )


def _host(url: str) -> str:
    return urlsplit(url).netloc
