"""What the daemon tells the service manager that started it: systemd, by sd_notify(3).

The protocol is one datagram of `NAME=value` lines to the Unix socket that $NOTIFY_SOCKET names.
Without one (no systemd, or a unit of another Type=) all of this does nothing, and costs nothing.
"""

from __future__ import annotations

import logging
import math
import re
import socket
from typing import List, MutableMapping, Optional

from fedbed.logs import printable

log = logging.getLogger("fedbed.agent")
SOCKET, WATCHDOG_US, WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_SEND_LIMIT_S = 2.0
_STATUS_CHARS = 300


class ServiceManager:
    """Told by the main thread alone.

    What it needs is taken out of `environment`: a worker must not speak for the daemon. pid: this
    process's, because a watchdog may be meant for another (sd_watchdog_enabled(3)).
    """

    def __init__(self, environment: MutableMapping[str, str], pid: int) -> None:
        # A leading @ stands for the zero byte of an abstract address.
        self._address = re.sub("^@", "\0", environment.pop(SOCKET, ""))
        watchdog_us = environment.pop(WATCHDOG_US, "")
        meant_for = environment.pop(WATCHDOG_PID, str(pid))
        watched = bool(self._address) and watchdog_us.isdecimal() and meant_for == str(pid)
        self._watchdog_s = int(watchdog_us) / 1e6 if watched else 0.0
        self._socket: Optional[socket.socket] = None
        self._is_ready = False
        self._is_heard = True
        self._status = ""

    @property
    def longest_turn_s(self) -> float:
        """What a turn of the main loop may take: half of the watchdog's time, as sd_notify(3) says.

        Endless without a watchdog.
        """
        return self._watchdog_s / 2 or math.inf

    def turned(self, status: str) -> None:
        """The main loop has turned: it feeds the watchdog, and says that the start is over.

        status: what the daemon does now, in words, for `systemctl status`.
        """
        lines = [] if self._is_ready else ["READY=1"]
        self._is_ready = True
        if status != self._status:
            lines.append(f"STATUS={printable(status)[:_STATUS_CHARS]}")
            self._status = status
        if self._watchdog_s:
            lines.append("WATCHDOG=1")
        self._send(lines)

    def stopping(self, status: str) -> None:
        """The daemon ends, for the reason that `status` names."""
        self._send(["STOPPING=1", f"STATUS={printable(status)[:_STATUS_CHARS]}"])

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, lines: List[str]) -> None:
        if not self._address or not lines:
            return
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.settimeout(_SEND_LIMIT_S)
                self._socket.connect(self._address)
            self._socket.send("\n".join(lines).encode())
            self._is_heard = True
        except OSError as error:
            # Training is worth more than telling of it; a manager that waits for us will act.
            if self._is_heard:
                log.warning("the service manager can't be told (%s)", error.strerror or error)
            self._is_heard = False
            self.close()
