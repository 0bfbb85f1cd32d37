"""A stand-in for Telegraf, of which no program is to be had for tests: its ways from a broker.

It does what monitoring/telegraf/telegraf.conf tells `inputs.mqtt_consumer` and
`outputs.influxdb_v2` to do: a persistent session at the broker, at least once (a message is
acknowledged when its points are in the database), measurements of ours only, and the tag `node`
from the topic, whatever the line says; and of the broker's log what its filter lets through.
Nothing else of what Telegraf does is here.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import tomllib
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from fedbed.telemetry.point import Point
from fedbed.telemetry.topics import SAMPLES, everybody
from tests.broker import PASSWORD, Broker, broker
from tests.influx import BUCKET, ORG, TOKEN, Influx, influx

PAUSE_S = 0.5
FLUSH_S = 0.5
"""How long the real one gathers before it writes; this one passes on at once."""
_FOR_EVER = 0xFFFFFFFF
SHIPPED = Path(__file__).parents[1] / "monitoring" / "telegraf"


def load(name: str) -> dict[str, Any]:
    """Read one of Telegraf's files."""
    return tomllib.loads((SHIPPED / name).read_text())


_, _OF_THE_LOG = load("telegraf.conf")["inputs"]["mqtt_consumer"]
BROKERS_LOG: tuple[str, ...] = tuple(_OF_THE_LOG["topics"])
_NAME: str = _OF_THE_LOG["name_override"]
_FILTER = re.fullmatch(
    r'tags\.level != "N" \|\| fields\.text\.matches\("([^"]+)"\)', _OF_THE_LOG["metricpass"].strip()
)


def complaint(level: str, line: str) -> bool:
    """Whether a line of the broker's log passes Telegraf's filter, an expression in CEL."""
    assert _FILTER is not None
    return level != "N" or re.search(_FILTER[1], line) is not None


class TelegrafStandIn:
    """Carries samples and complaints from a broker to a database, in a `with` statement."""

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
        topics = [(everybody(SAMPLES), 1), *((topic, 0) for topic in BROKERS_LOG)]
        client.on_connect = lambda c, _d, _f, _code, _p: c.subscribe(topics)
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
        text = message.payload.decode()
        if message.topic in BROKERS_LOG:
            body = _logged(message.topic.split("/")[3], text)
        else:
            node, lines = message.topic.split("/")[3], text.splitlines()
            body = "\n".join(_by(node, line) for line in lines if line.startswith("fedbed_"))
        while body and not self._write(body.encode()):
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


def _logged(level: str, text: str) -> str:
    """Return the point of a line of the broker's log; empty if it isn't kept."""
    if not complaint(level, text):
        return ""
    return Point(_NAME, {"level": level}, {"text": text}, time.time_ns()).line()


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
