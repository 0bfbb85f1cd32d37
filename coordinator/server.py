"""The coordinator as a process: socket, signals, uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import gc
import logging
import os
import resource
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn

from coordinator.api.app import make_app
from coordinator.centre import Centre
from coordinator.door import Door
from coordinator.doorkeeper import Limits
from coordinator.protocol import watching
from coordinator.settings import OPEN, Settings, is_loopback
from fedbed import logs
from fedbed.errors import FedbedError, NameTaken, PortInUse, UsageError

log = logging.getLogger("fedbed")
BACKLOG = 4096
KEEP_ALIVE_S = 75
SWITCH_S = 0.001
GC_THRESHOLDS = (20_000, 20, 100)
CONNECTIONS_PER_NODE = 2
"""One for the poll, one for bulk data."""
OWN_FILES = 64
FEW_CONNECTIONS = 2000


def serve(settings: Settings) -> int:
    """Serve until a signal; returns the exit code.

    Raises PortInUse, UsageError for an address that isn't this machine's, Untrusted for a
    certificate that won't do, FedbedError for a state folder that can't be used or that another
    coordinator uses.
    """
    logs.configure()
    _warn_of_openness(settings)
    most = most_connections(_allow_many_files())
    if most < FEW_CONNECTIONS:
        log.warning(
            "the limit of open files lets about %d nodes connect at a time: raise the hard limit "
            "(`ulimit -Hn`) for more",
            most // CONNECTIONS_PER_NODE,
        )
    context = _tls_context(settings)
    with _only_one(settings.state_dir), _listen(settings.host, settings.port) as listener:
        port = listener.getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"{'http' if context is None else 'https'}://{host}:{port}"
        centre = Centre(settings)
        limits = Limits(most, settings.most_per_address)
        server = _Server(
            uvicorn.Config(
                make_app(centre),
                http=watching(centre.fleet.connection_lost, limits.head_s),
                log_level="warning",
                access_log=False,
                proxy_headers=False,  # an address is who is connected, not what a header says
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=3,
                lifespan="on",
                ws="none",
            ),
            Door(listener, limits, context),
            url,
            settings.ready_file,
            centre,
        )
        # An event loop that waits 5 ms for each thread which holds the interpreter stands still.
        sys.setswitchinterval(SWITCH_S)
        # What the imports have left stays; looking it through time and again costs more than
        # little garbage.
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        if settings.stop_with_parent:
            threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
        server.run(sockets=[])
        if not server.started:
            raise FedbedError(
                f"the coordinator could not start on the state folder '{settings.state_dir}': "
                "the lines above say why"
            )
    return 0


def _tls_context(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls:
        return None
    from coordinator import tls  # its library takes 12 MB, for nothing without TLS

    return tls.server_context(settings)


def _warn_of_openness(settings: Settings) -> None:
    if is_loopback(settings.host):
        return
    if settings.access == OPEN:
        log.warning("anybody who reaches %s may do everything here: --insecure", settings.host)
    if not settings.tls:
        log.warning("nothing is encrypted on %s: --insecure", settings.host)


class _Server(uvicorn.Server):
    """Takes its connections from the door, and says where it listens once it does."""

    def __init__(
        self, config: uvicorn.Config, door: Door, url: str, ready_file: Path | None, centre: Centre
    ) -> None:
        super().__init__(config)
        self._door = door
        self._centre = centre
        self._url = url
        self._ready_file = ready_file

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal, once; uvicorn's own way raises it again after the orderly end."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.should_exit:
            return
        self._door.open(self._make_protocol)
        logging.getLogger("fedbed").info("coordinator at %s (Ctrl-C stops it)", self._url)
        if self._ready_file is not None:
            temporary = self._ready_file.with_suffix(".new")
            temporary.write_text(self._url)
            temporary.replace(self._ready_file)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._door.close()
        self._centre.answer_waiters()
        await super().shutdown(sockets)

    def _make_protocol(self, leave: Callable[[], None]) -> asyncio.Protocol:
        """Make a connection's protocol as uvicorn's own startup does."""
        make: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        protocol.leave = leave  # type: ignore[attr-defined]
        return protocol


def _allow_many_files() -> int:
    """Raise the limit of open files to what the system grants; returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def most_connections(files: int) -> int:
    """How many connections `files` open files allow: an upload needs a file beside its socket."""
    if files == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(1, (files - OWN_FILES) * CONNECTIONS_PER_NODE // (CONNECTIONS_PER_NODE + 1))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"port {port} on {host} is in use by another process: "
                "stop that one, or choose another with --port (0 takes any free one)"
            ) from error
        raise UsageError(f"can't listen on {host}:{port}: {error.strerror or error}") from error
    listener.listen(BACKLOG)
    return listener


@contextlib.contextmanager
def _only_one(state_dir: Path) -> Iterator[None]:
    """Lock the state folder: two coordinators on one database would undo each other's work."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = (state_dir / "coordinator.lock").open("a+")
    except OSError as error:
        raise FedbedError(
            f"the state folder '{state_dir}' can't be used ({error.strerror}): "
            "give another with --state-dir"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise NameTaken(
                f"another coordinator already uses the state folder '{state_dir}': "
                "stop it, or give this one its own --state-dir"
            ) from error
        yield


def _stop_at_end_of_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
