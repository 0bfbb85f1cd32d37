"""Where downloaded data sets lie, whether they are intact, and how they get there.

A data set's files lie in `<data folder>/<data set>/`; `fedbed.places` says which folder.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, NamedTuple, Optional, Sequence, Set, Tuple, Union
from urllib.parse import urlsplit

from fedbed.data.cards import Card, CardFile, Pictures
from fedbed.errors import DataError
from fedbed.places import data_dir

Progress = Callable[[int, int, str], None]
"""Called with (bytes done, bytes in total, file name) while a file arrives."""

PRESENT, MISSING, CORRUPT = "present", "missing", "corrupt"

_BLOCK = 256 * 1024
_LISTED_MAX = 64 * 1024 * 1024  # bytes of one file of a manifest
_MANIFEST_LINE = re.compile(r"([0-9a-f]{64}) [ *]([^/\\\0][^\\\0]*)")
_PICTURE = re.compile(r"(?:train|test)/(?:images|masks)/[^/]+")


@dataclass(frozen=True)
class FileStatus:
    """State of one file: `present`, `missing` or `corrupt`; `problem` is empty when present.

    `path` is None only for generated arrays where no cache can be.
    """

    name: str
    state: str
    path: Optional[Path]
    problem: str = ""


class Listed(NamedTuple):
    """A file that a manifest vouches for; how large it is, nobody says."""

    name: str
    sha256: str
    size: Optional[int] = None


def status(card: Card) -> List[FileStatus]:
    """State of each file of `card`, in its order; every present file is hashed.

    Of a data set of pictures, the manifest comes first; without it nothing is known of the others.
    """
    if card.pictures is None:
        return [_inspect(card, file)[0] for file in card.files]
    first, data = _inspect(card, _manifest(card.pictures))
    if first.state != PRESENT:
        return [first]
    return [first, *(_inspect(card, file)[0] for file in _parse_manifest(card.pictures, data))]


def pictures(card: Card) -> List[Listed]:
    """Files that the manifest of a data set of pictures lists, its index of groups among them.

    Only what the data set consists of: whatever else the manifest lists may be missing. DataError
    if the manifest is missing, not the card's, or none.
    """
    assert card.pictures is not None
    return _parse_manifest(card.pictures, read(card, _manifest(card.pictures)))


def check(card: Card) -> None:
    """Raise DataError, naming every problem and the command that mends them, unless all is well."""
    problems = [one for one in status(card) if one.state != PRESENT]
    if problems:
        raise _unusable(card, problems)


def read(card: Card, file: Union[CardFile, Listed]) -> bytes:
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
    if card.pictures is not None:
        lost = wanted[0] == card.pictures.manifest
        raise _by_hand(card, [*wanted, "with all that it lists"] if lost else wanted)
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
            by_hand = [f for f in card.files if f.name in wanted and not f.urls]
            raise _by_hand(card, [f"{f.name} ({f.size} bytes, sha256 {f.sha256})" for f in by_hand])
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


def _inspect(card: Card, file: Union[CardFile, Listed]) -> Tuple[FileStatus, bytes]:
    """State of one file, and its content (empty unless present)."""
    path = data_dir() / card.name / file.name
    most = _LISTED_MAX if file.size is None else file.size
    try:
        with path.open("rb") as handle:
            data = handle.read(most + 1)
    except (FileNotFoundError, NotADirectoryError):
        return FileStatus(file.name, MISSING, path, f"missing, not at {path}"), b""
    except OSError as error:
        problem = f"can't be read at {path} ({error.strerror or error})"
        return FileStatus(file.name, CORRUPT, path, problem), b""
    found = hashlib.sha256(data).hexdigest()
    if len(data) == (file.size or len(data)) <= most and found == file.sha256:
        return FileStatus(file.name, PRESENT, path), data
    size = f"more than {most}" if len(data) > most else f"{len(data)}"
    expected = "" if file.size is None else f"{file.size} bytes with "
    problem = f"corrupt at {path}: expected {expected}sha256 {file.sha256}, "
    problem += f"found {size} bytes with sha256 {found}"
    return FileStatus(file.name, CORRUPT, path, problem), b""


def _manifest(pictures: Pictures) -> Listed:
    return Listed(pictures.manifest, pictures.sha256)


def _parse_manifest(pictures: Pictures, data: bytes) -> List[Listed]:
    listed = []
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        match = _MANIFEST_LINE.fullmatch(line)
        if match is None or ".." in match.group(2).split("/"):
            raise DataError(
                f"{pictures.manifest}, line {number}: {line[:80]!r} is no checksum with the name "
                "of a file within the folder"
            )
        listed.append(Listed(match.group(2), match.group(1)))
    index = pictures.groups.index if pictures.groups is not None else ""
    return [file for file in listed if file.name == index or _PICTURE.fullmatch(file.name)]


def _unusable(card: Card, found: List[FileStatus]) -> DataError:
    missing = [one for one in found if one.state == MISSING and one.path is not None]
    problems = [f"{one.name}: {one.problem}" for one in found if one not in missing]
    folder = data_dir() / card.name
    if missing:
        problems.insert(0, f"{folder} lacks {_some([one.name for one in missing])}")
    elsewhere = f"if you have it, set FEDBED_DATA to the folder above {card.name}/, else "
    mend = f"run: fedbed data fetch {card.name}"
    broken = [one.name for one in found]
    if card.pictures is not None or not all(f.urls for f in card.files if f.name in broken):
        mend = (
            "put the files there by hand: no public address is known "
            f"({_where(card)} says what they are)"
        )
    return DataError(
        f"data set {card.name}: {_some(problems, '; ')}; {elsewhere if missing else ''}{mend}"
    )


def _by_hand(card: Card, files: List[str]) -> DataError:
    return DataError(
        f"data set {card.name} can't be downloaded, no public address is known: put by hand into "
        f"{data_dir() / card.name}: {_some(files)}; {_where(card)} says what they are"
    )


def _where(card: Card) -> str:
    return card.where or f"datasets/{card.name}.yaml"


def _some(things: Sequence[str], separator: str = ", ", most: int = 4) -> str:
    """Name the first few: a data set of pictures may lack hundreds."""
    more = f" and {len(things) - most} more" if len(things) > most else ""
    return separator.join(things[:most]) + more


def _unwritable(folder: Path, error: OSError) -> DataError:
    why = error.strerror or str(error)
    return DataError(
        f"can't write to {folder} ({why}): set FEDBED_DATA to a folder with room that you may "
        "write to"
    )


def _host(url: str) -> str:
    return urlsplit(url).netloc
