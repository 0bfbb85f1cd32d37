from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.blobs import BlobCache
from edge_agent.link import Link
from fedbed.errors import CoordinatorAway, PayloadError
from fedbed.link.messages import BlobRef
from tests.edge_agent.peer import Peer


@pytest.fixture
def link(peer: Peer) -> Iterator[Link]:
    link = Link(peer.url)
    yield link
    link.close()


@pytest.fixture
def cache(tmp_path: Path) -> BlobCache:
    cache = BlobCache(tmp_path / "blobs", limit_bytes=1000)
    cache.open()
    return cache


def age(cache: BlobCache, blob: BlobRef, seconds: int) -> None:
    stamp = cache.path(blob).stat().st_mtime - seconds
    os.utime(cache.path(blob), (stamp, stamp))


def test_a_blob_is_fetched_once(peer: Peer, link: Link, cache: BlobCache) -> None:
    blob = peer.blob(b"model" * 20)
    assert cache.fetch(blob, link, set()) == 100
    assert cache.fetch(blob, link, set()) == 0
    assert cache.path(blob).read_bytes() == b"model" * 20
    assert len(peer.requests("GET")) == 1


def test_the_least_recently_used_go_first(peer: Peer, link: Link, cache: BlobCache) -> None:
    a, b, c = (peer.blob(letter * 400) for letter in (b"a", b"b", b"c"))
    cache.fetch(a, link, set())
    cache.fetch(b, link, set())
    age(cache, a, 50)
    age(cache, b, 20)
    cache.fetch(a, link, set())
    cache.fetch(c, link, set())
    assert [cache.path(blob).is_file() for blob in (a, b, c)] == [True, False, True]
    assert cache.fetch(b, link, set()) == 400


def test_what_is_in_use_is_never_evicted(peer: Peer, link: Link, cache: BlobCache) -> None:
    a, b, c = (peer.blob(letter * 400) for letter in (b"a", b"b", b"c"))
    for blob in (a, b, c):
        cache.fetch(blob, link, {a.sha256, b.sha256, c.sha256})
    assert all(cache.path(blob).is_file() for blob in (a, b, c))


def test_nor_is_the_half_of_it_that_came(peer: Peer, link: Link, cache: BlobCache) -> None:
    old, new = peer.blob(b"o" * 500), peer.blob(bytes(range(200)) * 3)
    peer.cut_after = [450]
    with pytest.raises(CoordinatorAway):
        cache.fetch(new, link, {new.sha256})
    cache.path(old).write_bytes(b"o" * 500)
    cache.fetch(new, link, {new.sha256})
    assert peer.requests("GET")[-1].headers["Range"] == "bytes=450-"


def test_a_blob_that_can_never_fit_is_refused(peer: Peer, link: Link, cache: BlobCache) -> None:
    with pytest.raises(PayloadError, match="1001 bytes exceeds this node's cache of 1000"):
        cache.fetch(peer.blob(b"x" * 1001), link, set())
    assert not peer.seen


def test_wrong_bytes_are_not_kept(peer: Peer, link: Link, cache: BlobCache) -> None:
    blob = peer.blob(b"right")
    peer.blobs[blob.sha256] = b"wrong"
    with pytest.raises(PayloadError, match="other bytes than its hash says"):
        cache.fetch(blob, link, set())
    assert list(cache.path(blob).parent.iterdir()) == []


@pytest.mark.parametrize("found", [b"", b"righ", b"\0\0\0\0\0"])
def test_what_a_power_cut_left_is_fetched_anew(
    peer: Peer, link: Link, cache: BlobCache, found: bytes
) -> None:
    blob = peer.blob(b"right")
    cache.path(blob).write_bytes(found)
    assert cache.fetch(blob, link, set()) == 5
    assert cache.path(blob).read_bytes() == b"right"


def test_a_restart_keeps_blobs_and_clears_halves(
    peer: Peer, link: Link, cache: BlobCache, tmp_path: Path
) -> None:
    blob = peer.blob(b"model")
    cache.fetch(blob, link, set())
    (tmp_path / "blobs" / "ab.part").write_bytes(b"half")
    again = BlobCache(tmp_path / "blobs", 1000)
    again.open()
    assert [p.name for p in (tmp_path / "blobs").iterdir()] == [blob.sha256]
    assert again.fetch(blob, link, set()) == 0
