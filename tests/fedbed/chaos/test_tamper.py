from __future__ import annotations

import pytest

from fedbed.chaos.tamper import Tamper

POLL = b'POST /api/v1/nodes/1/work HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{"a"'
UPLOAD = b"PUT /api/v1/work/r.1.0/result HTTP/1.1\r\ncontent-length: 6\r\n\r\nupdate"
GET = b"GET /api/v1/blobs/0 HTTP/1.1\r\nHost: x\r\n\r\n"


def carried(stream: bytes, step: int, armed: bool = True) -> bytes:
    tamper, out = Tamper(), b""
    for at in range(0, len(stream), step):
        data, struck = tamper.feed(stream[at : at + step], armed)
        armed = armed and not struck
        out += data
    return out


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_one_bit_of_the_first_upload_flips_however_the_bytes_come(step: int) -> None:
    stream = GET + POLL + UPLOAD + UPLOAD
    out = carried(stream, step)
    changed = [at for at, (a, b) in enumerate(zip(stream, out, strict=True)) if a != b]
    assert changed == [len(GET + POLL + UPLOAD) - len(b"update")]


@pytest.mark.parametrize("step", [1, 1000])
def test_nothing_changes_unarmed_or_in_what_is_no_upload(step: int) -> None:
    assert carried(UPLOAD + GET, step, armed=False) == UPLOAD + GET
    assert carried(POLL + GET + POLL, step) == POLL + GET + POLL
    encrypted = b"\x16\x03\x01" + bytes(range(256)) * 400 + UPLOAD
    assert carried(encrypted, 4096) == encrypted
