from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import pytest

from fedbed import places
from fedbed.data import store
from fedbed.data.cards import ROLES, Card, CardFile, load_card
from fedbed.errors import DataError

CONTENT = {f"{role}.bin": role.encode() * (20_000 * (i + 1)) for i, role in enumerate(ROLES)}


class Mirror:
    """A web server on loopback: /good/NAME serves CONTENT; others misbehave as they are called."""

    def __init__(self) -> None:
        self.asked: List[str] = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append(self.path)
                kind, name = self.path.strip("/").split("/")
                body, announced = mirror.answer(kind, name)
                if kind == "gone":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(announced))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def answer(self, kind: str, name: str) -> Tuple[bytes, int]:
        body = CONTENT[name]
        if kind == "wrong":
            body = b"X" + body[1:]
        elif kind == "endless":
            body = body + b"more" * 100_000
        return (body[:-100], len(body)) if kind == "short" else (body, len(body))

    def url(self, kind: str, name: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{kind}/{name}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("no_proxy", "*")
    served = Mirror()
    yield served
    served.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the card's files belong; doesn't exist yet."""
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "toy"


def card_from(mirror: Mirror, *kinds: str) -> Card:
    files = tuple(
        CardFile(
            name=name,
            role=name[:-4],
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            urls=tuple(mirror.url(kind, name) for kind in kinds),
        )
        for name, content in CONTENT.items()
    )
    return replace(load_card("mnist"), name="toy", files=files)


def found(folder: Path) -> Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_good_download(mirror: Mirror, folder: Path) -> None:
    card = card_from(mirror, "good")
    assert [one.state for one in store.status(card)] == ["missing"] * 4
    seen: List[Tuple[int, int, str]] = []
    names = store.fetch(card, lambda *report: seen.append(report), timeout_s=5)
    assert names == list(CONTENT)
    assert found(folder) == CONTENT  # and no .part file
    assert [one.state for one in store.status(card)] == ["present"] * 4
    store.check(card)
    assert store.read(card, card.files[0]) == CONTENT["train_images.bin"]
    for name, content in CONTENT.items():
        done = [d for d, total, n in seen if n == name and total == len(content)]
        assert done == sorted(done)
        assert done[-1] == len(content)
    mirror.asked.clear()
    assert store.fetch(card, timeout_s=5) == []
    assert mirror.asked == []


def test_only_what_is_not_intact_is_fetched(mirror: Mirror, folder: Path) -> None:
    card = card_from(mirror, "good")
    store.fetch(card, timeout_s=5)
    (folder / "test_labels.bin").unlink()
    (folder / "train_labels.bin").write_bytes(b"half")
    mirror.asked.clear()
    assert store.fetch(card, timeout_s=5) == ["train_labels.bin", "test_labels.bin"]
    assert mirror.asked == ["/good/train_labels.bin", "/good/test_labels.bin"]
    assert found(folder) == CONTENT


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("wrong", "wrong sha256 [0-9a-f]{64}, expected [0-9a-f]{64}"),
        ("gone", "HTTP 404"),
        ("endless", "sent more than 240000 bytes"),
        ("short", "(sent|broke off after) 239900"),
    ],
)
def test_bad_mirror(mirror: Mirror, folder: Path, kind: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        store.fetch(card_from(mirror, kind), timeout_s=5)
    message = str(caught.value)
    assert f"put them into {folder}: {', '.join(CONTENT)}" in message
    assert "\n" not in message
    assert found(folder) == {}, "a refused file must leave nothing behind"

    # With a second mirror the same card loads.
    assert store.fetch(card_from(mirror, kind, "good"), timeout_s=5) == list(CONTENT)
    assert found(folder) == CONTENT


def test_a_mirror_that_failed_is_tried_last_afterwards(mirror: Mirror, folder: Path) -> None:
    other = Mirror()
    try:
        card = card_from(mirror, "gone")
        card = replace(
            card,
            files=tuple(replace(f, urls=f.urls + (other.url("good", f.name),)) for f in card.files),
        )
        store.fetch(card, timeout_s=5)
        assert mirror.asked == ["/gone/train_images.bin"]
        assert len(other.asked) == 4
    finally:
        other.close()


def test_all_mirrors_down(mirror: Mirror, folder: Path) -> None:
    card = card_from(mirror, "good", "gone")
    mirror.close()
    try:
        with pytest.raises(DataError, match=r"can't download train_images.bin of toy .*refused"):
            store.fetch(card, timeout_s=5)
    finally:
        mirror.__init__()  # type: ignore[misc]  # so that the fixture has something to close


def test_a_file_that_arrived_is_not_named_as_left(mirror: Mirror, folder: Path) -> None:
    card = card_from(mirror, "good")
    bad = replace(card.files[1], urls=(mirror.url("gone", card.files[1].name),))
    card = replace(card, files=(card.files[0], bad) + card.files[2:])
    with pytest.raises(DataError) as caught:
        store.fetch(card, timeout_s=5)
    assert str(caught.value).endswith(": train_labels.bin, test_images.bin, test_labels.bin")
    assert list(found(folder)) == ["train_images.bin"]


def test_check_names_file_hashes_and_command(mirror: Mirror, folder: Path) -> None:
    card = card_from(mirror, "good")
    store.fetch(card, timeout_s=5)
    damaged = bytearray(CONTENT["test_images.bin"])
    damaged[500] ^= 1
    (folder / "test_images.bin").write_bytes(damaged)
    (folder / "test_labels.bin").unlink()
    assert [s.state for s in store.status(card)] == ["present", "present", "corrupt", "missing"]
    with pytest.raises(DataError) as caught:
        store.check(card)
    message = str(caught.value)
    assert "test_images.bin: corrupt" in message
    assert card.files[2].sha256 in message
    assert hashlib.sha256(damaged).hexdigest() in message
    assert f"{folder} lacks test_labels.bin" in message
    assert "set FEDBED_DATA" in message
    assert "train_images.bin" not in message
    assert message.endswith("run: fedbed data fetch toy")
    for file in card.files[2:]:
        with pytest.raises(DataError, match=file.name):
            store.read(card, file)


def test_too_long_a_file_is_corrupt(mirror: Mirror, folder: Path) -> None:
    card = card_from(mirror, "good")
    folder.mkdir(parents=True)
    (folder / "train_images.bin").write_bytes(CONTENT["train_images.bin"] + b"x")
    first = store.status(card)[0]
    assert first.state == "corrupt"
    assert "found more than 240000 bytes" in first.problem


def test_a_folder_where_a_file_should_be(mirror: Mirror, folder: Path) -> None:
    (folder / "train_images.bin").mkdir(parents=True)
    card = card_from(mirror, "good")
    assert store.status(card)[0].state == "corrupt"
    with pytest.raises(DataError, match="can't write to"):
        store.fetch(card, timeout_s=5)
    assert [path.name for path in folder.iterdir()] == ["train_images.bin"]


def test_unwritable_data_folder(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file in the way rather than permissions: root, as in containers, ignores those.
    (tmp_path / "plain").write_text("", encoding="utf-8")
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path / "plain"))
    card = card_from(mirror, "good")
    assert {one.state for one in store.status(card)} == {"missing"}
    with pytest.raises(DataError, match=r"can't write to .*plain.*: set FEDBED_DATA"):
        store.fetch(card, timeout_s=5)
    assert mirror.asked == []


def test_disk_trouble_is_not_blamed_on_the_mirror(
    mirror: Mirror, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DataError, match=r"can't write to .*No space left on device"):
        store.fetch(card_from(mirror, "good"), timeout_s=5)
    assert found(folder) == {}


def test_interrupted_download_leaves_nothing(mirror: Mirror, folder: Path) -> None:
    def stop(done: int, total: int, name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.fetch(card_from(mirror, "good"), stop, timeout_s=5)
    assert found(folder) == {}


def test_data_dir_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FEDBED_DATA", "~/mine")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert places.data_dir() == tmp_path / "home" / "mine"
    monkeypatch.setenv("FEDBED_DATA", "")
    assert places.data_dir() == tmp_path / "xdg" / "fedbed" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert places.data_dir() == tmp_path / "home" / ".cache" / "fedbed" / "data"


def test_no_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("FEDBED_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(DataError, match="set FEDBED_DATA"):
        places.data_dir()
