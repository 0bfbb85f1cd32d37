"""Every measurement that fedbed writes: its tags, fields and units. The one definition.

The probes and the coordinator write by it, dashboards are generated from it, docs/monitoring.md
prints it, and tests hold all of them to it. Telegraf's own measurements (cpu, mem, disk, net,
docker, ...) keep their names and aren't listed: its manual describes them.

Names follow InfluxDB's advice: snake case, no unit in a name whose unit is the base unit given
here. Counters only grow, until what counts them starts anew; the rest are values of the moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Tuple

FLOAT, INTEGER, BOOLEAN, STRING = "float", "integer", "boolean", "string"

NODE, COORDINATOR, BROKER = "node", "coordinator", "broker"
"""Who writes a measurement."""


@dataclass(frozen=True)
class Field:
    """One value of a measurement. unit: a base unit (bytes, seconds, percent, ...), or empty."""

    name: str
    type: str
    unit: str
    meaning: str
    is_counter: bool = False


@dataclass(frozen=True)
class Tag:
    """What points of a measurement are told apart by."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Measurement:
    """A table of the database. source: who writes it. when: how often, in words."""

    name: str
    source: str
    when: str
    meaning: str
    tags: Tuple[Tag, ...]
    fields: Tuple[Field, ...]

    def field(self, name: str) -> Field:
        """Return a field; KeyError if there is none of that name."""
        return {field.name: field for field in self.fields}[name]


def _percent(name: str, meaning: str) -> Field:
    return Field(name, FLOAT, "percent", meaning)


def _bytes(name: str, meaning: str) -> Field:
    return Field(name, INTEGER, "bytes", meaning)


def _seconds(name: str, meaning: str) -> Field:
    return Field(name, FLOAT, "seconds", meaning)


def _count(name: str, meaning: str) -> Field:
    return Field(name, INTEGER, "", meaning)


def _counter(name: str, unit: str, meaning: str) -> Field:
    kind = FLOAT if unit in ("seconds", "joules") else INTEGER
    return Field(name, kind, unit, meaning, is_counter=True)


def _text(name: str, meaning: str) -> Field:
    return Field(name, STRING, "", meaning)


def _flag(name: str, meaning: str) -> Field:
    return Field(name, BOOLEAN, "", meaning)


_NODE = Tag("node", "the node's name")
_RUN = Tag("run", "the run's id")
_SAMPLE = "at each sample, 1 s unless told otherwise"

_ON_NODES = (
    Measurement(
        "fedbed_cpu", NODE, _SAMPLE, "The node's processor.", (_NODE,),
        (
            _percent("usage", "share of all cores that was busy since the sample before"),
            Field("load1", FLOAT, "", "processes that ran or waited to, over the last minute"),
            Field("frequency", FLOAT, "hertz", "clock of the fastest core at the moment"),
            _count("cores", "logical cores"),
        ),
    ),
    Measurement(
        "fedbed_memory", NODE, _SAMPLE, "The node's main memory.", (_NODE,),
        (
            _bytes("total", "what is built in"),
            _bytes("available", "what programs can still have without swapping"),
            _percent("used", "share that isn't available"),
            _bytes("swap_total", "room for swapping"),
            _bytes("swap_used", "what has been swapped out"),
        ),
    ),
    Measurement(
        "fedbed_disk", NODE, _SAMPLE, "The disk with the agent's state folder.", (_NODE,),
        (
            _bytes("total", "size of the file system"),
            _bytes("free", "what the agent may still write"),
            _percent("used", "share that is taken"),
            _counter("read", "bytes", "read from all of the node's disks since start"),
            _counter("written", "bytes", "written to all of the node's disks since start"),
        ),
    ),
    Measurement(
        "fedbed_network", NODE, _SAMPLE,
        "The network cards; in a container, all interfaces but the loopback.", (_NODE,),
        (
            _counter("received", "bytes", "received since start"),
            _counter("sent", "bytes", "sent since start"),
            _counter("errors", "", "packets lost or damaged since start, both ways"),
        ),
    ),
    Measurement(
        "fedbed_temperature", NODE, _SAMPLE, "A sensor of the node.",
        (_NODE, Tag("sensor", "its name, such as cpu_thermal or GPU-therm")),
        (Field("value", FLOAT, "celsius", "what it shows"),),
    ),
    Measurement(
        "fedbed_throttling", NODE, _SAMPLE, "What slows a Raspberry Pi down, by its firmware.",
        (_NODE,),
        (
            _flag("undervoltage", "less than 4.63 V at the moment"),
            _flag("capped", "the clock is capped at the moment"),
            _flag("throttled", "throttled at the moment"),
            _flag("soft_limit", "the soft temperature limit is in force"),
            _flag("undervoltage_since_boot", "has happened since boot"),
            _flag("capped_since_boot", "has happened since boot"),
            _flag("throttled_since_boot", "has happened since boot"),
            _flag("soft_limit_since_boot", "has happened since boot"),
        ),
    ),
    Measurement(
        "fedbed_gpu", NODE, _SAMPLE, "A graphics processor.",
        (_NODE, Tag("gpu", "its number or name")),
        (
            _percent("usage", "share of the time since the sample before in which it was busy"),
            _bytes("memory_used", "of its own memory; a Jetson's GPU shares the main memory"),
            _bytes("memory_total", "of its own memory"),
            Field("frequency", FLOAT, "hertz", "its clock at the moment"),
            _percent("memory_bandwidth", "share of memory cycles in use (Jetson: EMC)"),
        ),
    ),
    Measurement(
        "fedbed_power", NODE, _SAMPLE, "Electric power, measured or modelled, never mixed.",
        (
            _NODE,
            Tag("rail", "what it flows into: package-0, VDD_IN, gpu-0, plug, ..."),
            Tag("method", "measured: by a sensor; modelled: computed from the load"),
        ),
        (
            Field("power", FLOAT, "watts", "at the moment, or the mean since the sample before"),
            _counter("energy", "joules", "since the agent's start"),
        ),
    ),
    Measurement(
        "fedbed_worker", NODE, _SAMPLE, "The processes that train on the node for a run.",
        (_NODE, _RUN),
        (
            _percent("cpu", "of one core, since the sample before; above 100 with several threads"),
            _counter("cpu_time", "seconds", "processor time, the worker and its children"),
            _bytes("memory", "resident memory, the worker and its children"),
            _count("processes", "the worker and its children"),
            _count("threads", "of all of them"),
        ),
    ),
    Measurement(
        "fedbed_agent", NODE, _SAMPLE, "What the agent itself costs, and what it has lost.",
        (_NODE,),
        (
            _percent("cpu", "of one core, since the sample before"),
            _bytes("memory", "resident memory"),
            _count("waiting", "points that wait for the broker"),
            _counter("dropped", "", "points that were given up because the buffer was full"),
            _counter("failures", "", "probes that failed or took too long"),
            _seconds("clock_offset", "the node's wall clock, ahead of the coordinator's"),
        ),
    ),
    Measurement(
        "fedbed_board", NODE, "at start, at each change, and every minute",
        "Which board a node is, and what it is set to.", (_NODE,),
        (
            _text("model", "as its device tree names it"),
            _text("power_mode", "of a Jetson, by nvpmodel: MAXN, 5W, ..."),
        ),
    ),
    Measurement(
        "fedbed_state", NODE, "at each change, and every 10 s", "What a node is doing, as it says.",
        (_NODE,),
        (
            _text("state", "offline, idle, downloading, training, uploading or draining"),
            _text("run", "the run that it works for; empty without one"),
            _count("round", "the round that it works on; 0 without one"),
        ),
    ),
)  # fmt: skip

_AT_THE_CENTRE = (
    Measurement(
        "fedbed_node", COORDINATOR, "at each change, and every 10 s",
        "What the coordinator knows of a node.", (_NODE,),
        (
            _text("state", "its state in the fleet: ready, training, offline, drained, ..."),
            _flag("online", "whether it is in contact"),
            _flag("training", "whether it works for a run"),
            _count("offences", "updates of it that were refused and count"),
            _text("run", "the run that it serves; empty without one"),
        ),
    ),
    Measurement(
        "fedbed_run", COORDINATOR, "at each change, and every 10 s while it runs", "A run.",
        (_RUN,),
        (
            _text("name", "the experiment's name"),
            _text("task", "what is learnt"),
            _text("dataset", "from what"),
            _text("strategy", "how updates are put together"),
            _text("state", "waiting, running, finished, failed or stopped"),
            _count("round", "rounds that are done"),
            _count("rounds", "rounds that are planned"),
            _seconds("round_age", "since the round under way has begun; 0 between rounds"),
        ),
    ),
    Measurement(
        "fedbed_round", COORDINATOR, "at the end of each round", "A round of a run.", (_RUN,),
        (
            _count("round", "its number"),
            Field("metric", FLOAT, "", "what the task is judged by, of the global model"),
            Field("loss", FLOAT, "", "of the global model on the test set"),
            Field("train_loss", FLOAT, "", "mean over the updates, weighted by samples"),
            _count("asked", "nodes that were asked"),
            _count("participants", "nodes whose update counts"),
            _seconds("duration", "from its first message to the checkpoint"),
            _seconds("limit", "after how long it would have closed at the latest"),
            _seconds("aggregation", "that putting the updates together took"),
            _seconds("overhead", "of its duration, what no node computed in"),
            _bytes("bytes_up", "from all nodes"),
            _bytes("bytes_down", "to all nodes"),
            Field("compression", FLOAT, "", "size of the updates as float32, over what was sent"),
        ),
    ),
    Measurement(
        "fedbed_twin", COORDINATOR, "after each of its rounds", "A run's centralised twin.",
        (_RUN,),
        (
            _count("round", "as many samples as the federated run had seen after so many rounds"),
            Field("metric", FLOAT, "", "what the task is judged by"),
            Field("loss", FLOAT, "", "on the test set"),
        ),
    ),
    Measurement(
        "fedbed_exchange", COORDINATOR, "when a node's part of a round is in",
        "A node's part of a round.", (_RUN, _NODE, Tag("kind", "train or evaluate")),
        (
            _count("round", "its number"),
            _count("partition", "the node's part of the data"),
            _seconds("wait", "until the work came"),
            _seconds("download", "of the model"),
            _seconds("start", "of the worker, once a run"),
            _seconds("decode", "of the model"),
            _seconds("work", "training or testing"),
            _seconds("encode", "of the update"),
            _seconds("upload", "of the update"),
            _seconds("cpu", "processor time of the work"),
            _bytes("peak_memory", "the worker's largest resident memory so far"),
            _bytes("bytes_up", "of the update"),
            _bytes("bytes_down", "of the model and the samples"),
            _count("samples", "seen in training"),
            Field("train_loss", FLOAT, "", "mean over its samples"),
        ),
    ),
    Measurement(
        "fedbed_phase", COORDINATOR, "when a node's part of a round is in, for each of its phases",
        "What a node did when: the round as a Gantt chart.", (_RUN, _NODE),
        (
            _text("phase", "wait, download, train, test, upload or idle; from this time on"),
            _count("round", "the round that it belongs to"),
        ),
    ),
    Measurement(
        "fedbed_event", COORDINATOR, "when it happens", "What people should know of.",
        (_RUN, _NODE, Tag("kind", "round, fault, node or run")),
        (_text("text", "one sentence"),),
    ),
    Measurement(
        "fedbed_coordinator", COORDINATOR, "every 10 s", "What the coordinator itself costs.", (),
        (
            _percent("cpu", "of one core, since the point before"),
            _bytes("memory", "resident memory"),
            _bytes("disk_free", "in its state folder"),
            _count("nodes_online", "nodes in contact"),
            _count("nodes_training", "nodes that work for a run"),
            _count("runs_waiting", "runs in the queue"),
            _count("waiting", "points that wait for the database"),
            _counter("dropped", "", "points that were given up because the buffer was full"),
        ),
    ),
)  # fmt: skip

_OF_THE_BROKER = (
    Measurement(
        "fedbed_broker", BROKER, "when it logs one, as Telegraf hears it",
        "What the broker complains of: clients that it cut off or refused, messages given up.",
        (Tag("level", "E: error, W: warning, N: notice"),),
        (_text("text", "the line of its log"),),
    ),
)  # fmt: skip

MEASUREMENTS: Tuple[Measurement, ...] = _ON_NODES + _AT_THE_CENTRE + _OF_THE_BROKER


def by_name() -> Dict[str, Measurement]:
    """Return all measurements by their names."""
    return {measurement.name: measurement for measurement in MEASUREMENTS}


def faults(name: str, tags: Dict[str, str], fields: Dict[str, object]) -> List[str]:
    """Say what of a point isn't as defined; empty if it all is. For tests, and for the bridge."""
    measurement = by_name().get(name)
    if measurement is None:
        return [f"there is no measurement '{name}'"]
    found = []
    known_tags = {tag.name for tag in measurement.tags}
    found += [f"{name} has no tag '{tag}'" for tag in tags if tag not in known_tags]
    types = {FLOAT: (float,), INTEGER: (int,), BOOLEAN: (bool,), STRING: (str,)}
    known = {field.name: field for field in measurement.fields}
    for key, value in fields.items():
        if key not in known:
            found.append(f"{name} has no field '{key}'")
        elif type(value) not in types[known[key].type]:
            found.append(f"{name}.{key} is {type(value).__name__}, not {known[key].type}")
    if not fields:
        found.append(f"{name} has no fields")
    return found
