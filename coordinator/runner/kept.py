"""Arrays that were decoded to look at them, and are wanted once more: kept as far as they fit."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

import numpy as np

Values = np.ndarray[Any, Any]
KEPT_BYTES = 192 * 1024 * 1024
"""The same however many nodes there are; four updates of a ResNet-18 fit."""


class KeptArrays:
    """Up to `limit_bytes` of arrays by key, each handed out once. Thread-safe."""

    def __init__(self, limit_bytes: int = KEPT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._arrays: dict[Hashable, Values] = {}
        self._guard = threading.Lock()

    def keep(self, key: Hashable, array: Values) -> None:
        """Keep an array that nobody will change, if there is room."""
        with self._guard:
            if key not in self._arrays and self._bytes + array.nbytes <= self._limit_bytes:
                self._arrays[key] = array
                self._bytes += array.nbytes

    def take(self, key: Hashable) -> Values | None:
        """Hand an array over; None if it isn't here."""
        with self._guard:
            array = self._arrays.pop(key, None)
            if array is not None:
                self._bytes -= array.nbytes
            return array

    def clear(self) -> None:
        """Forget what nobody asked for."""
        with self._guard:
            self._arrays.clear()
            self._bytes = 0
