"""What a partition scheme is, and the checks and draws that several of them share.

A scheme is one module: `ARGS`, its arguments with their defaults, and `deal`. Every draw comes from
`numpy.random.RandomState`, whose stream NumPy has frozen (NEP 19).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Dict, List, NamedTuple, Optional, Union

import numpy as np

from fedbed.errors import ExperimentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

Value = Union[int, float]
Args = Dict[str, Value]


@dataclass(frozen=True)
class Pool:
    """The samples to deal out, in their order.

    labels: int64 [n], 0 or more. groups: int64 [n], numbers of what samples were taken from
    together; None where the data set knows of none.
    """

    labels: Numbers
    groups: Optional[Numbers] = None

    def __len__(self) -> int:
        return len(self.labels)


class Scheme(NamedTuple):
    """A way to deal samples out.

    args: its arguments with their defaults; an int default asks for a whole number. deal: takes a
    pool, the number of parts, complete arguments and a random state, and returns an index array
    for each part, in any order, none of them empty. overlaps: whether a sample may go to several
    parts.
    """

    args: Args
    deal: Callable[[Pool, int, Args, np.random.RandomState], List[Numbers]]
    overlaps: bool = False


def number_above_0(name: str, value: Value) -> float:
    """Return a finite number above 0; ExperimentError for anything else."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and 0 < value < math.inf:
        return value
    raise ExperimentError(f"{name} is {value!r}, expected a number greater than 0")


def whole_above_0(name: str, value: Value) -> int:
    """Return a whole number from 1; ExperimentError for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ExperimentError(f"{name} is {value!r}, expected a whole number from 1")


def dirichlet_shares(parts: int, alpha: float, rng: np.random.RandomState) -> NDArray[np.float64]:
    """Draw float64 [parts] from Dir(alpha, ..., alpha): 0 or more, sum 1."""
    # A gamma variate of a tiny shape underflows to 0; if all do, the limit is one taker.
    gammas = rng.standard_gamma(max(alpha, 1e-300), parts)
    total = gammas.sum()
    if not (total > 0 and math.isfinite(total)):
        gammas, total = np.zeros(parts), 1.0
        gammas[rng.randint(parts)] = 1.0
    shares: NDArray[np.float64] = gammas / total
    return shares


def cut(pool: Numbers, shares: NDArray[np.float64]) -> List[Numbers]:
    """Cut an array into consecutive pieces of these shares, rounded to whole samples."""
    ends = np.rint(np.cumsum(shares) * len(pool)).astype(np.int64)
    return np.split(pool, ends[:-1])


def none_empty(hands: List[Numbers]) -> List[Numbers]:
    """Give each node without samples one of the node that has most."""
    for poor, hand in enumerate(hands):
        if len(hand) == 0:
            rich = max(range(len(hands)), key=lambda h: len(hands[h]))
            hands[poor], hands[rich] = hands[rich][-1:], hands[rich][:-1]
    return hands
