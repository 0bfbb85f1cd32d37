"""Samples that are likely to be asked for again, in memory of bounded size."""

from __future__ import annotations

from collections import OrderedDict
from typing import Hashable, Optional, Tuple

from fedbed.data.dataset import Split

Splits = Tuple[Split, ...]


class RecentSplits:
    """Keeps the splits that were used last, up to `limit_bytes` together; the last one always."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held: OrderedDict[Hashable, Splits] = OrderedDict()

    def get(self, key: Hashable) -> Optional[Splits]:
        """Return what is kept under this key, None if nothing is (any more)."""
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def keep(self, key: Hashable, *splits: Split) -> None:
        """Keep splits; what was used longest ago goes until they fit."""
        self._held[key] = splits
        self._held.move_to_end(key)
        while len(self._held) > 1 and sum(map(_size, self._held.values())) > self._limit_bytes:
            self._held.popitem(last=False)


def _size(splits: Splits) -> int:
    return sum(split.x.nbytes + split.y.nbytes for split in splits)
