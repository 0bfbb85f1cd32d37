"""HTTP/1.1 to the coordinator, over one kept-open connection.

An agent holds two of these: the open poll must not wait behind a model that is being sent.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import select
import socket
import ssl
from pathlib import Path
from typing import Any, Dict, Iterator, Optional
from urllib.parse import urlsplit

from fedbed.errors import CoordinatorAway, FedbedError, PayloadError, by_code
from fedbed.link import trust
from fedbed.link.messages import BlobRef

CHUNK = 256 * 1024
CONNECT_TIMEOUT_S = 5.0
_CUT = (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""What a write says when the other side has hung up: without TLS, and with it."""


class Link:
    """Requests to one coordinator; not thread-safe. ca: trust this file's CA alone.

    Every method raises CoordinatorAway where the coordinator can't be reached or breaks off,
    Untrusted where its certificate can't be trusted, and the error class that it named where it
    refuses.
    """

    def __init__(self, url: str, ca: Optional[Path] = None) -> None:
        self._url = url
        self._ca = ca
        self._parts = urlsplit(url)
        self._tls: Optional[ssl.SSLContext] = None
        self._connection: Optional[http.client.HTTPConnection] = None
        self.token = ""  # nosec B105 # none yet

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def socket(self) -> Optional[socket.socket]:
        """The connection's socket, for who looks at the connection itself; None without one."""
        return None if self._connection is None else self._connection.sock

    def interrupt(self) -> None:
        """Break off what another thread is doing on this link; it gets CoordinatorAway."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def call(
        self, method: str, path: str, body: Optional[Dict[str, Any]] = None, timeout_s: float = 10.0
    ) -> Dict[str, Any]:
        """Send JSON, return the JSON of the answer (empty dictionary for an empty answer)."""
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        try:
            response = self._send(method, path, data, headers, timeout_s)
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._away(error) from error
        return self._checked(response, answer)

    def download(self, blob: BlobRef, target: Path, timeout_s: float = 30.0) -> None:
        """Fetch a blob into `target` by way of `target.part`, going on where an earlier try ended.

        PayloadError if the bytes don't have the promised hash, OSError if they can't be kept.
        """
        part = target.with_suffix(".part")
        have = part.stat().st_size if part.is_file() else 0
        if have > blob.size:
            part.unlink()
            have = 0
        digest = _hashed(part) if have else hashlib.sha256()
        if have < blob.size:
            digest = self._fetch_rest(blob, part, have, digest, timeout_s)
        if digest.hexdigest() != blob.sha256:
            part.unlink()
            raise PayloadError(f"blob {blob.sha256[:12]} came with other bytes than its hash says")
        part.replace(target)

    def upload(self, path: str, source: Path, size: int, sha256: str, timeout_s: float) -> None:
        """PUT a file; refusals raise the class that the coordinator named.

        OSError if the file can't be opened.
        """
        headers = {"Content-Length": str(size), "X-Fedbed-Sha256": sha256}
        with source.open("rb") as f:
            try:
                try:
                    response = self._send("PUT", path, f, headers, timeout_s)
                except _CUT:
                    # A refusal may come before the body is through: read it if it is there.
                    if self._connection is None:
                        raise
                    response = self._connection.getresponse()
                answer = response.read()
            except (OSError, http.client.HTTPException) as error:
                raise self._away(error) from error
        self._checked(response, answer)

    def _fetch_rest(
        self, blob: BlobRef, part: Path, have: int, digest: hashlib._Hash, timeout_s: float
    ) -> hashlib._Hash:
        """Fetch what a part lacks, of whose `have` bytes `digest` is; returns that of the whole."""
        headers = {"Range": f"bytes={have}-"} if have else {}
        try:
            response = self._send("GET", f"/api/v1/blobs/{blob.sha256}", None, headers, timeout_s)
            refusal = response.read() if response.status not in (200, 206) else None
        except (OSError, http.client.HTTPException) as error:
            raise self._away(error) from error
        if refusal is not None:
            self._checked(response, refusal)
            raise self._stranger()
        resumed = response.status == 206
        if not resumed:
            have, digest = 0, hashlib.sha256()
        try:
            with part.open("ab" if resumed else "wb") as f:
                for chunk in self._chunks(response):
                    have += len(chunk)
                    if have > blob.size:
                        raise PayloadError(f"blob {blob.sha256[:12]} is larger than announced")
                    digest.update(chunk)
                    f.write(chunk)
        except (OSError, PayloadError):
            self.close()  # the rest of the answer is still on its way
            raise
        if response.length:
            # http.client takes a cut connection for the end of the body.
            raise self._away(ConnectionError("the connection was cut"))
        return digest

    def _chunks(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        while True:
            try:
                chunk = response.read(CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise self._away(error) from error
            if not chunk:
                return
            yield chunk

    def _send(
        self, method: str, path: str, body: Any, headers: Dict[str, str], timeout_s: float
    ) -> http.client.HTTPResponse:
        if self._connection is not None and _is_stale(self._connection):
            self.close()
        fresh = self._connection is None
        connection = self._connection or self._connect()
        if self.token:
            headers = dict(headers, Authorization=f"Bearer {self.token}")
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        try:
            connection.request(method, path, body=body, headers=headers)
            return connection.getresponse()
        except (http.client.RemoteDisconnected, *_CUT):
            # The server may close an idle connection just as we send: once more on a new one.
            if fresh or hasattr(body, "read"):
                raise
            self.close()
            return self._send(method, path, body, headers, timeout_s)

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        connection = http.client.HTTPConnection(
            host, port, timeout=CONNECT_TIMEOUT_S, blocksize=CHUNK
        )
        if self._parts.scheme == "https":
            if self._tls is None:
                # With a pinned CA without dates: boards have no clock (docs/decisions/007).
                self._tls = trust.context(self._ca, dates=False)
            connection = http.client.HTTPSConnection(
                host, port, timeout=CONNECT_TIMEOUT_S, blocksize=CHUNK, context=self._tls
            )
        connection.connect()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._connection = connection
        return connection

    def _away(self, error: BaseException) -> FedbedError:
        self.close()
        distrust = trust.refusal(error, self._url, self._ca)
        if distrust is not None:
            return distrust
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return CoordinatorAway(
            f"no answer from the coordinator at {self._url} ({reason}): "
            "is `fedbed coordinator` running there?"
        )

    def _stranger(self) -> CoordinatorAway:
        self.close()
        return CoordinatorAway(f"{self._url} doesn't answer like a fedbed coordinator.")

    def _checked(self, response: http.client.HTTPResponse, body: bytes) -> Dict[str, Any]:
        if response.getheader("Connection", "").lower() == "close":
            self.close()
        try:
            answer = json.loads(body) if body else {}
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self._stranger()
        if response.status < 300:
            return answer
        cls = by_code().get(str(answer.get("code")))
        if cls is None:
            # Another program on that port, or a proxy whose coordinator is down.
            raise self._stranger()
        raise cls(str(answer.get("detail") or f"the coordinator answered {response.status}"))


def _is_stale(connection: http.client.HTTPConnection) -> bool:
    # Between two answers nothing may come in but the end of the connection.
    if connection.sock is None:
        return True
    return bool(select.select([connection.sock], [], [], 0)[0])


def sha256_of(path: Path) -> str:
    """Hash a file."""
    return _hashed(path).hexdigest()


def _hashed(path: Path) -> hashlib._Hash:
    digest = hashlib.sha256()
    with path.open("rb") as f:
        for chunk in iter(lambda: f.read(CHUNK), b""):
            digest.update(chunk)
    return digest
