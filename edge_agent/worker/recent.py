"""Samples that are likely to be asked for again, in memory of bounded size."""

from __future__ import annotations

from collections import OrderedDict
from typing import Hashable, Optional

from fedbed.data.dataset import Split


class RecentSplits:
    """Keeps the splits that were used last, up to `limit_bytes` together; the last one always."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held: OrderedDict[Hashable, Split] = OrderedDict()

    def get(self, key: Hashable) -> Optional[Split]:
        """Return what is kept under this key, None if nothing is (any more)."""
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def keep(self, key: Hashable, split: Split) -> None:
        """Keep a split; what was used longest ago goes until all fit."""
        self._held[key] = split
        self._held.move_to_end(key)
        while len(self._held) > 1 and sum(map(_size, self._held.values())) > self._limit_bytes:
            self._held.popitem(last=False)


def _size(split: Split) -> int:
    return split.x.nbytes + split.y.nbytes
