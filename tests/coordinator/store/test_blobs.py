from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from coordinator.store.blobs import BlobStore
from fedbed.errors import NotFound


def test_a_blob_lies_at_its_hash_once(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs")
    ref = store.put(b"model")
    assert (ref.sha256, ref.size) == (hashlib.sha256(b"model").hexdigest(), 5)
    path = store.path(ref.sha256)
    assert path.read_bytes() == b"model"
    before = path.stat().st_ino
    assert store.put(b"model") == ref
    assert path.stat().st_ino == before
    assert [p for p in (tmp_path / "blobs").rglob("*") if p.is_file()] == [path]


def test_removed_and_unknown_blobs_are_not_found(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    ref = store.put(b"model")
    store.remove(ref.sha256)
    store.remove(ref.sha256)
    with pytest.raises(NotFound):
        store.path(ref.sha256)


@pytest.mark.parametrize(
    "address",
    [
        "../secret",
        "ab/../../../secret",
        "/etc/passwd",
        "A" * 64,
        "a" * 63,
        "a" * 65,
        "a" * 64 + "\n",
        "",
        "..",
        "%2e%2e%2fsecret",
    ],
)
def test_no_address_leads_out_of_the_folder(tmp_path: Path, address: str) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    store = BlobStore(tmp_path / "blobs")
    store.put(b"model")
    with pytest.raises(NotFound):
        store.path(address)


def test_what_a_power_cut_has_left_of_a_blob_is_replaced(tmp_path: Path) -> None:
    ref = BlobStore(tmp_path).put(b"model")
    path = BlobStore(tmp_path).path(ref.sha256)
    path.write_bytes(b"")
    BlobStore(tmp_path).put(b"model")
    assert path.read_bytes() == b"model"
