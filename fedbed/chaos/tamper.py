"""Finding the body of an upload in a stream of HTTP/1.1 requests, to flip a bit in it. Pure."""

from __future__ import annotations

import re

_UPLOAD = re.compile(rb"PUT /api/v1/work/[^ /]+/result ")
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_HEAD_LIMIT = 64 * 1024


class Tamper:
    """Follows one connection's requests. Encrypted bytes pass: nothing in them looks like one."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        """Bytes of the current body that are still to come."""
        self._in_upload = False
        self._lost = False
        """Whether this is no HTTP that we can follow."""

    def feed(self, data: bytes, armed: bool) -> tuple[bytes, bool]:
        """Take the next bytes; return them as they are to be sent, and whether one was changed.

        If `armed`, a bit flips in the first byte of an upload's body among them.
        """
        out = bytearray(data)
        at, struck = 0, False
        while at < len(out) and not self._lost:
            if self._left:
                if armed and not struck and self._in_upload:
                    out[at] ^= 0x10
                    struck = True
                step = min(self._left, len(out) - at)
                self._left -= step
                at += step
            else:
                at = self._read_head(data, at)
        return bytes(out), struck

    def _read_head(self, data: bytes, at: int) -> int:
        """Go on with a request's head; return where its body begins, or the end of the data."""
        known = len(self._head)
        self._head += data[at:]
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            self._lost = len(self._head) > _HEAD_LIMIT
            return len(data)
        head = self._head[:end]
        length = _LENGTH.search(head)
        self._left = int(length[1]) if length else 0
        self._in_upload = bool(_UPLOAD.match(head))
        self._head = b""
        return at + end + 4 - known
