"""One MQTT connection (v5, by paho-mqtt), for one thread, from its opening to its end.

A connection that has ended is not used again: no message of it may come out of the next one. What
was sent and not acknowledged is its owner's to send again.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, Optional

from edge_agent.broker.settings import BrokerSettings
from fedbed.errors import FedbedError, RequirementMissing
from fedbed.link import trust

try:
    from paho.mqtt import client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    from paho.mqtt.subscribeoptions import SubscribeOptions

except ImportError as error:
    raise RequirementMissing(
        "--broker: needs the package paho-mqtt, 2.0 or newer: pip install 'fedbed'"
    ) from error

KEEPALIVE_S = 10
"""Half as long again, and the broker takes a silent node for lost."""
CONNECT_TIMEOUT_S = 5.0
MAX_PACKET_BYTES = 1 << 20
"""Larger ones the broker keeps to itself: they would cost a board its memory."""
_NO_SUCH_USER = (0x86, 0x87)
"""Bad user name or password; not authorized, which Mosquitto says of both."""
_NOBODY_LISTENS = 0x10
"""The broker has it and gives it to nobody, now or ever."""
Told = Callable[[Optional[str]], None]
"""Called with None when the broker has a message for somebody, else with why it hasn't."""


class Ended(Exception):
    """The connection couldn't be made, or is no more; `str` says why, for a person.

    lasting: waiting won't mend it: a wrong password, another's certificate.
    """

    def __init__(self, reason: str, lasting: bool = False) -> None:
        super().__init__(reason)
        self.lasting = lasting


@dataclass(frozen=True)
class Message:
    """What the broker passes on; or what it is asked to, `retain`: and to keep for newcomers."""

    topic: str
    payload: bytes
    retain: bool = False


class Connection:
    """Not thread-safe. wake: a socket that interrupts `step` when it becomes readable."""

    def __init__(
        self, settings: BrokerSettings, client_id: str, will: Message, wake: socket.socket
    ) -> None:
        self._settings = settings
        self._wake = wake
        self._reason: Optional[Ended] = None
        self._is_connected = False
        self._received: List[Message] = []
        self._untold: Dict[int, Told] = {}
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        self._client = client

    def open(self, tls: Optional[ssl.SSLContext]) -> None:
        """Connect and wait until the broker has said yes; Ended if it doesn't."""
        settings = self._settings
        try:
            password = settings.password()
        except FedbedError as error:
            raise Ended(str(error), lasting=True) from error
        if password:
            self._client.username_pw_set(settings.user, password)
        if tls is not None:
            self._client.tls_set_context(tls)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = MAX_PACKET_BYTES
        try:
            self._client.connect(
                settings.host, settings.port, KEEPALIVE_S, clean_start=True, properties=properties
            )
        except (OSError, ValueError) as error:
            raise self._unreachable(error) from error
        until = time.monotonic() + CONNECT_TIMEOUT_S
        while not self._is_connected:
            if time.monotonic() > until:
                raise Ended(f"what listens at {settings.url} doesn't answer like an MQTT broker")
            self.step(0.5)

    def subscribe(self, filters: Iterable[str]) -> None:
        """Ask for messages from now on; not for those that the broker has kept."""
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        self._client.subscribe([(one, options) for one in filters])

    def publish(self, message: Message, told: Optional[Told] = None) -> None:
        """Send a message (QoS 1); `told` is called out of `step` when the broker has answered."""
        sent = self._client.publish(message.topic, message.payload, qos=1, retain=message.retain)
        if told is not None and sent.rc == mqtt.MQTT_ERR_SUCCESS:
            self._untold[sent.mid] = told

    def step(self, timeout_s: float) -> List[Message]:
        """Do what the socket allows, or wait for it; returns what has come. Ended at the end."""
        client = self._client
        sock = client.socket()
        if sock is None:
            raise self._ended()
        writing = [sock] if client.want_write() else []
        # TLS may have decrypted more than was read.
        waiting = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        try:
            readable, writable, _ = select.select(
                [sock, self._wake], writing, [], 0 if waiting else timeout_s
            )
        except (OSError, ValueError) as error:  # its descriptor is closed
            raise self._ended() from error
        if self._wake in readable:
            with contextlib.suppress(BlockingIOError):
                self._wake.recv(1024)
        try:
            if sock in writable:
                client.loop_write()
            if waiting or sock in readable:
                client.loop_read()
            client.loop_misc()
        except Exception as error:
            raise Ended(f"{self._settings.url} doesn't speak MQTT as a broker does") from error
        received, self._received = self._received, []
        if not received and client.socket() is None:
            raise self._ended()
        return received

    def close(self) -> None:
        """Say goodbye, so that the broker keeps the last will to itself."""
        with contextlib.suppress(OSError, ValueError):
            self._client.disconnect()
            while self._client.want_write():
                self._client.loop_write()
        self.abandon()

    def abandon(self) -> None:
        """Cut the connection, without a word."""
        client = self._client
        # Each holds the other otherwise, with its sockets, until Python looks for such rings.
        client.on_connect = client.on_disconnect = client.on_message = client.on_publish = None
        sock = client.socket()
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.close()

    def _ended(self) -> Ended:
        return self._reason or Ended(
            f"the broker at {self._settings.url} has hung up, as it also does if another speaks by "
            "this node's name"
        )

    def _unreachable(self, error: Exception) -> Ended:
        url = self._settings.url
        distrust = trust.refusal(error, url, self._settings.ca, peer=trust.BROKER)
        if distrust is not None:
            return Ended(str(distrust).rstrip("."), lasting=True)
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Ended(f"no answer from the broker at {url} ({reason})")

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        if not code.is_failure:
            self._is_connected = True
            return
        url, user = self._settings.url, self._settings.user
        if code.value in _NO_SUCH_USER:
            self._reason = Ended(
                f"the broker at {url} doesn't know the user '{user}' by this password: see "
                "--broker-user and --broker-password-file",
                lasting=True,
            )
        else:
            self._reason = Ended(f"the broker at {url} refuses: {code}")

    def _on_disconnect(self, _client: Any, _data: Any, flags: Any, code: Any, _more: Any) -> None:
        if self._reason is not None or not flags.is_disconnect_packet_from_server:
            return
        self._reason = Ended(f"the broker at {self._settings.url} has ended the connection: {code}")

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        self._received.append(Message(message.topic, message.payload, message.retain))

    def _on_publish(self, _client: Any, _data: Any, mid: int, code: Any, _more: Any) -> None:
        told = self._untold.pop(mid, None)
        if told is not None:
            nobody = code.value == _NOBODY_LISTENS
            told(str(code) if code.is_failure or nobody else None)
