"""A strategy's state as arrays and JSON, and back: what FedAdam's moments need to survive a crash.

flwr's strategies keep everything in plain attributes: numbers, dictionaries and lists of arrays,
ArrayRecords, and for the wrappers of differential privacy another strategy. Anything else
(functions, accountants) is part of how the strategy was built, and is built again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from flwr.app import ArrayRecord
from flwr.serverapp.strategy import Strategy

from fedbed import flower

ArrayMap = dict[str, "np.ndarray[Any, Any]"]
Plain = dict[str, Any]


def capture(strategy: Strategy) -> tuple[Plain, ArrayMap]:
    """Return the state as JSON-ready values and arrays (named `attribute/key`)."""
    plain: Plain = {}
    arrays: ArrayMap = {}
    for name, value in sorted(vars(strategy).items()):
        if isinstance(value, Strategy):
            inner, held = capture(value)
            plain[name] = {"kind": "strategy", "state": inner}
            arrays.update({f"{name}/{key}": array for key, array in held.items()})
        elif isinstance(value, ArrayRecord):
            plain[name] = {"kind": "record", "keys": list(value.keys())}
            _add(arrays, name, list(flower.ndarrays_of(value).values()))
        elif _is_array_dict(value):
            plain[name] = {"kind": "arrays", "keys": list(value)}
            _add(arrays, name, list(value.values()))
        elif _is_array_list(value):
            plain[name] = {"kind": "list", "count": len(value)}
            _add(arrays, name, value)
        elif value is None or isinstance(value, (bool, int, float, str)):
            plain[name] = {"kind": "value", "value": value}
        elif isinstance(value, dict) and all(isinstance(v, int) for v in value.values()):
            plain[name] = {"kind": "counts", "items": [[k, v] for k, v in value.items()]}
    return plain, arrays


def restore(strategy: Strategy, plain: Plain, arrays: ArrayMap) -> None:
    """Undo `capture` on a strategy that was built the same way."""
    for name, described in plain.items():
        kind = described["kind"]
        if kind == "strategy":
            prefix = f"{name}/"
            inner = {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}
            restore(getattr(strategy, name), described["state"], inner)
        elif kind == "record":
            held = [arrays[f"{name}/{i}"] for i in range(len(described["keys"]))]
            record = flower.array_of(dict(zip(described["keys"], held, strict=True)))
            setattr(strategy, name, record)
        elif kind == "arrays":
            keys = described["keys"]
            setattr(strategy, name, {key: arrays[f"{name}/{i}"] for i, key in enumerate(keys)})
        elif kind == "list":
            setattr(strategy, name, [arrays[f"{name}/{i}"] for i in range(described["count"])])
        elif kind == "counts":
            setattr(strategy, name, dict(described["items"]))
        else:
            setattr(strategy, name, described["value"])


def _add(arrays: ArrayMap, name: str, values: list[Any]) -> None:
    # Numbered, because two attributes may use the same keys and keys may hold any character.
    # Copied, because the strategy may go on before the state is on disk.
    arrays.update({f"{name}/{i}": np.array(value) for i, value in enumerate(values)})


def _is_array_dict(value: object) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(k, str) for k in value)
        and all(isinstance(v, (np.ndarray, np.generic)) for v in value.values())
    )


def _is_array_list(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(v, (np.ndarray, np.generic)) for v in value)
    )
