"""Every touch of flwr that goes beyond its public names, in one module.

flwr's `Message(...)` reads a process-global identity, message ids are private, and loading an app
by name is an internal helper: what may change with a release of flwr is gathered here, and
`tests/fedbed/test_flower.py` runs it against the installed release. Needs flwr (Python 3.11);
imported by the run's process and by workers that run ClientApps, never by a daemon.
"""

from __future__ import annotations

import os
import sys
from io import BytesIO
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Tuple

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
os.environ.setdefault("FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION", "1")

import numpy as np
from flwr.app import (
    Array,
    ArrayRecord,
    ConfigRecord,
    Error,
    Message,
    Metadata,
    MetricRecord,
    RecordDict,
)
from flwr.serverapp.strategy import Strategy, strategy_utils
from flwr.supercore.object_ref import load_app as _load_app
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity
from numpy.lib import format as npy

from fedbed.errors import ExperimentError

__all__ = [
    "SERVER_NODE_ID",
    "HeldArray",
    "LazyArray",
    "array_of",
    "assign_message_id",
    "become",
    "empty_run",
    "error_reply",
    "instruction",
    "join_records",
    "load_attribute",
    "ndarrays_of",
    "replace_averaging",
    "replace_start",
    "reply",
    "split_records",
    "views_of",
]

SERVER_NODE_ID = 1
NUMPY = "numpy.ndarray"
"""What flwr calls the form in which it serialises arrays."""
_STRATEGIES = "flwr.serverapp.strategy"
_AVERAGING = "aggregate_arrayrecords"


class LazyArray(Array):
    """A flwr Array that makes its bytes in flwr's form (.npy) when somebody asks for them.

    Serialising and parsing cost as much as averaging does, and few ask for more than `numpy()`.
    """

    def __init__(self, dtype: str, shape: Tuple[int, ...]) -> None:
        self.dtype = dtype
        self.shape = shape
        self.stype = NUMPY

    @property
    def data(self) -> bytes:  # type: ignore[override]
        """Return the array as flwr serialises it."""
        buffer = BytesIO()
        np.save(buffer, self.numpy(), allow_pickle=False)
        return buffer.getvalue()


class HeldArray(LazyArray):
    """A flwr Array that holds its values as they are; `numpy()` returns a copy of them."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        super().__init__(str(values.dtype), values.shape)
        # Past flwr's own `__setattr__`, if a release of it has one.
        self.__dict__["_values"] = values

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return a copy of the values, writable."""
        return self.view().copy()

    def view(self) -> np.ndarray[Any, Any]:
        """Return the values themselves, not to be changed."""
        held: np.ndarray[Any, Any] = self.__dict__["_values"]
        return held


def become(run_id: int, node_id: int) -> None:
    """Give this process its identity; one run per process is the rule."""
    TaskIdentity.run_id = run_id
    TaskIdentity.node_id = node_id
    TaskIdentity.task_id = 1


def empty_run(run_id: int) -> Run:
    """Return the description of a run that a Grid must offer."""
    return Run.create_empty(run_id)


def assign_message_id(message: Message, message_id: str) -> None:
    """Number a message; the constructor leaves that to the link."""
    message.metadata.__dict__["_message_id"] = message_id


def instruction(content: RecordDict, metadata: Mapping[str, Any]) -> Message:
    """Rebuild on the node the message that the ServerApp sent."""
    # `metadata` is an argument for flwr's own use, and not in the documented signatures.
    make: Any = Message
    message: Message = make(
        content=content,
        metadata=Metadata(
            run_id=int(metadata["run_id"]),
            message_id=str(metadata["message_id"]),
            src_node_id=SERVER_NODE_ID,
            dst_node_id=int(metadata["dst_node_id"]),
            reply_to_message_id="",
            group_id=str(metadata["group_id"]),
            created_at=float(metadata["created_at"]),
            ttl=float(metadata["ttl"]),
            message_type=str(metadata["message_type"]),
        ),
    )
    return message


def reply(to: Message, content: RecordDict) -> Message:
    """Answer `to` at the centre with what its node sent."""
    return Message(content, reply_to=to)


def error_reply(to: Message, reason: str) -> Message:
    """Answer `to` with a failure (code 0: unknown cause, in flwr's numbering)."""
    return Message(Error(code=0, reason=reason), reply_to=to)


def load_attribute(reference: str, folder: Path) -> Any:
    """Load `package.module:attribute` from an app's folder; ExperimentError says what is wrong."""
    try:
        return _load_app(reference, ExperimentError, folder)
    except ImportError as error:
        missing = f" ('{error.name}' is not installed here)" if error.name else ""
        raise ExperimentError(
            f"the app's '{reference}' can't be imported: {error}{missing}"
        ) from error


def split_records(
    content: RecordDict,
) -> Tuple[Dict[str, ArrayRecord], Dict[str, Dict[str, Any]], Dict[str, Dict[str, Any]]]:
    """Return array, metric and config records by name, the latter two as plain dictionaries."""
    arrays = dict(content.array_records.items())
    metrics = {name: dict(record.items()) for name, record in content.metric_records.items()}
    config = {name: dict(record.items()) for name, record in content.config_records.items()}
    return arrays, metrics, config


def join_records(
    arrays: Mapping[str, ArrayRecord],
    metrics: Mapping[str, Mapping[str, Any]],
    config: Mapping[str, Mapping[str, Any]],
) -> RecordDict:
    """Undo `split_records`."""
    content = RecordDict()
    for name, record in arrays.items():
        content[name] = record
    for name, values in metrics.items():
        content[name] = MetricRecord(dict(values))
    for name, values in config.items():
        content[name] = ConfigRecord(dict(values))
    return content


def ndarrays_of(record: ArrayRecord) -> Dict[str, np.ndarray[Any, Any]]:
    """Return a record's arrays by name."""
    return {name: array.numpy() for name, array in record.items()}


def views_of(record: ArrayRecord) -> Dict[str, np.ndarray[Any, Any]]:
    """Return a record's arrays by name, to look at only: without copies, where it holds them."""
    return {name: _view(array) for name, array in record.items()}


def _view(array: Array) -> np.ndarray[Any, Any]:
    if isinstance(array, HeldArray):
        return array.view()
    if isinstance(array, LazyArray) or array.stype != NUMPY:
        return array.numpy()
    # The .npy format, read in place; https://numpy.org/neps/nep-0001-npy-format.html
    data = BytesIO(array.data)
    version = npy.read_magic(data)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, in_columns, dtype = read_header(data)
    if dtype.hasobject:
        return array.numpy()
    values = np.frombuffer(array.data, dtype, offset=data.tell())
    return values.reshape(shape, order="F" if in_columns else "C")


def array_of(arrays: Mapping[str, np.ndarray[Any, Any]]) -> ArrayRecord:
    """Return an ArrayRecord of `arrays`, which must not be changed from now on."""
    return ArrayRecord({name: HeldArray(np.asarray(value)) for name, value in arrays.items()})


def replace_start(start: Callable[..., Any]) -> None:
    """Have every strategy of this process run its rounds by `start(strategy, grid, ...)`.

    Strategies that bring a `start` of their own keep it.
    """

    def delegate(strategy: Strategy, *args: Any, **kwargs: Any) -> Any:
        return start(strategy, *args, **kwargs)

    setattr(Strategy, "start", delegate)  # noqa: B010 - a method of flwr's, put aside on purpose


def replace_averaging(average: Callable[[List[RecordDict], str], ArrayRecord]) -> None:
    """Have every strategy of this process that averages records do it by `average`.

    Its arguments are the contents of the replies, and the key of the metric that holds a reply's
    weight. flwr's own function of that kind is internal, and imported by name into the modules of
    strategies that use it, so it is replaced in each of them.
    """
    present = getattr(strategy_utils, _AVERAGING)
    for name, module in list(sys.modules.items()):
        if name.startswith(_STRATEGIES) and vars(module).get(_AVERAGING) is present:
            setattr(module, _AVERAGING, average)
