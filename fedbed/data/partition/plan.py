"""Who learns from which samples: pure functions from labels and groups to index arrays.

`plan_hash` goes into each run's result, so that one sees whether two runs split alike.
"""

from __future__ import annotations

import difflib
import hashlib
import struct
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Union

import numpy as np

from fedbed.data.partition import dirichlet, groups, iid, quantity, replicas, shards
from fedbed.data.partition.scheme import Args, Pool, Scheme
from fedbed.errors import ExperimentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Indices = NDArray[np.uint32]

_SCHEMES: Dict[str, Scheme] = {
    "iid": Scheme(iid.ARGS, iid.deal),
    "shards": Scheme(shards.ARGS, shards.deal),
    "dirichlet": Scheme(dirichlet.ARGS, dirichlet.deal),
    "quantity": Scheme(quantity.ARGS, quantity.deal),
    "groups": Scheme(groups.ARGS, groups.deal),
    "replicas": Scheme(replicas.ARGS, replicas.deal, overlaps=True),
}
SCHEMES: Dict[str, Args] = {name: dict(scheme.args) for name, scheme in _SCHEMES.items()}
"""Each scheme's arguments with their defaults; an int default asks for a whole number."""


def plan(
    labels: NDArray[np.int64],
    parts: int,
    scheme: str,
    seed: int,
    groups: Optional[NDArray[np.int64]] = None,
    **args: Union[int, float],
) -> List[Indices]:
    """Split samples among `parts` nodes by a scheme, whose module in this package describes it.

    labels: int64 [n], 0 or more. groups: int64 [n], numbers of what belongs together; None where
    nobody knows. Returns `parts` arrays of sorted indices, uint32, none of them empty; together
    they are all n samples, and disjoint unless the scheme overlaps.

    Raises ExperimentError for whatever can't be done, with the numbers.
    """
    known = list(_SCHEMES)
    if scheme not in _SCHEMES:
        raise ExperimentError(f"unknown partition scheme {scheme!r}{_near(scheme, known)}")
    settings = dict(SCHEMES[scheme])
    for name, value in args.items():
        if name not in settings:
            raise ExperimentError(
                f"partition scheme {scheme!r} has no argument {name!r}{_near(name, list(settings))}"
            )
        settings[name] = value
    for what, given in (("labels", labels), ("groups", groups)):
        if given is not None and given.ndim != 1:
            raise ExperimentError(f"{what} must be one-dimensional, got shape {given.shape}")
    if groups is not None and len(groups) != len(labels):
        raise ExperimentError(f"{len(labels)} labels, but {len(groups)} numbers of groups")
    _check_parts(len(labels), parts, overlaps(scheme))
    _check_seed(seed)
    hands = _SCHEMES[scheme].deal(
        Pool(labels, groups), parts, settings, np.random.RandomState(seed)
    )
    # Of overlapping parts several are one array, and stay one.
    sorted_hands = {id(hand): np.sort(hand).astype(np.uint32) for hand in hands}
    return [sorted_hands[id(hand)] for hand in hands]


def overlaps(scheme: str) -> bool:
    """Whether a known scheme may give one sample to several nodes."""
    return _SCHEMES[scheme].overlaps


def split_test(n: int, parts: int, seed: int) -> List[Indices]:
    """Split `n` test samples at random among `parts` nodes: as `plan` with `iid`, other stream."""
    _check_parts(n, parts)
    _check_seed(seed)
    shuffled = np.random.RandomState([seed, 1]).permutation(n)
    return [np.sort(group).astype(np.uint32) for group in np.array_split(shuffled, parts)]


def plan_hash(parts: Sequence[Indices]) -> str:
    """Hex sha256 of a plan: the number of parts, then each one's length and indices.

    Numbers as little-endian uint64, indices as little-endian uint32.
    """
    digest = hashlib.sha256(struct.pack("<Q", len(parts)))
    for part in parts:
        digest.update(struct.pack("<Q", len(part)))
        digest.update(part.astype("<u4").tobytes())
    return digest.hexdigest()


def _check_parts(n: int, parts: int, shared: bool = False) -> None:
    if parts < 1:
        raise ExperimentError(f"{parts} parts asked, at least 1 is needed")
    if n < 1 or (parts > n and not shared):
        raise ExperimentError(f"{n} samples can't be split into {parts} parts, one each at least")


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**32:
        raise ExperimentError(f"seed {seed} is not within 0 and 4294967295")


def _near(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{hint} (allowed: {', '.join(known) or 'none'})"
