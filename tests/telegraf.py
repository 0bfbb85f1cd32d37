"""A stand-in for Telegraf, of which no program is to be had for tests: its way of samples alone.

It does what monitoring/telegraf/telegraf.conf tells `inputs.mqtt_consumer` and
`outputs.influxdb_v2` to do: a persistent session at the broker, at least once (a message is
acknowledged when its points are in the database), measurements of ours only, and the tag `node`
from the topic, whatever the line says. Nothing else of what Telegraf does is here.
"""

from __future__ import annotations

import contextlib
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from fedbed.telemetry.topics import SAMPLES, everybody
from tests.broker import PASSWORD, Broker, broker
from tests.influx import BUCKET, ORG, TOKEN, Influx, influx

PAUSE_S = 0.5
FLUSH_S = 0.5
"""How long the real one gathers before it writes; this one passes on at once."""
_FOR_EVER = 0xFFFFFFFF


class TelegrafStandIn:
    """Carries samples from a broker to a database, in a `with` statement."""

    def __init__(self, broker: Broker, influx: Influx) -> None:
        self._broker = broker
        self._influx = influx
        self._ending = threading.Event()
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id="telegraf",
            protocol=mqtt.MQTTv5,
            manual_ack=True,
        )
        client.username_pw_set("telegraf", PASSWORD)
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda c, _d, _f, _code, _p: c.subscribe(everybody(SAMPLES), qos=1)
        client.on_message = lambda c, _d, message: self._carry(c, message)

    def __enter__(self) -> TelegrafStandIn:
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        lasting.SessionExpiryInterval = _FOR_EVER
        self._client.connect("127.0.0.1", self._broker.port, clean_start=False, properties=lasting)
        self._client.loop_start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._client.disconnect()
        self._client.loop_stop()

    def _carry(self, client: mqtt.Client, message: mqtt.MQTTMessage) -> None:
        node = message.topic.split("/")[3]
        lines = (line for line in message.payload.decode().splitlines())
        body = "\n".join(_by(node, line) for line in lines if line.startswith("fedbed_"))
        while not self._write(body.encode()):
            if self._ending.wait(PAUSE_S):
                return
        client.ack(message.mid, message.qos)

    def _write(self, body: bytes) -> bool:
        """Return whether the database has it; what it refuses for good, nobody keeps."""
        address = f"{self._influx.url}/api/v2/write?org={ORG}&bucket={BUCKET}&precision=ns"
        request = urllib.request.Request(address, body, {"Authorization": f"Token {TOKEN}"})
        try:
            with contextlib.closing(urllib.request.urlopen(request, timeout=10)):
                return True
        except urllib.error.HTTPError as error:
            return error.code == 400
        except OSError:
            return False


def _by(node: str, line: str) -> str:
    """Return a line with the tag `node` set; its own tags hold no escaped spaces in these tests."""
    head, rest = line.split(" ", 1)
    tags = [tag for tag in head.split(",")[1:] if not tag.startswith("node=")]
    return ",".join([head.split(",")[0], *tags, f"node={node}"]) + " " + rest


@dataclass(frozen=True)
class Way:
    """The way from nodes to the database; env: what agents and coordinator know of it."""

    broker: Broker
    influx: Influx
    env: dict[str, str]


@contextmanager
def way(folder: Path, nodes: Sequence[str]) -> Iterator[Way]:
    """Run a broker that knows `nodes`, a database, and what carries samples between them."""
    with ExitStack() as stack:
        database = stack.enter_context(influx(folder / "influx"))
        made = stack.enter_context(broker(folder / "broker"))
        made.add_users(nodes)
        made.stop()
        made.start()
        stack.enter_context(TelegrafStandIn(made, database))
        env = {
            "FEDBED_BROKER": made.url,
            "FEDBED_BROKER_PASSWORD": PASSWORD,
            "FEDBED_INFLUX_URL": database.url,
            "FEDBED_INFLUX_ORG": ORG,
            "FEDBED_INFLUX_BUCKET": BUCKET,
            "FEDBED_INFLUX_TOKEN": TOKEN,
        }
        yield Way(made, database, env)
