"""Who learns from which samples: pure functions from labels to index arrays.

Every draw comes from `numpy.random.RandomState`, whose stream NumPy has frozen (NEP 19).
`plan_hash` goes into each run's result, so that one sees whether two runs split alike.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import struct
from typing import TYPE_CHECKING, Dict, List, Sequence, Union

import numpy as np

from fedbed.errors import ExperimentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Indices = NDArray[np.uint32]

SCHEMES: Dict[str, Dict[str, Union[int, float]]] = {
    "iid": {},
    "shards": {"shards_per_node": 2},
    "dirichlet": {"alpha": 0.5},
}
"""Each scheme's arguments with their defaults; an int default asks for a whole number."""


def plan(
    labels: NDArray[np.int64], parts: int, scheme: str, seed: int, **args: Union[int, float]
) -> List[Indices]:
    """Split samples among `parts` nodes by their labels.

    labels: int64 [n], 0 or more. Returns `parts` arrays of sorted indices, uint32, disjoint and
    none of them empty; together they are all n samples.

    - `iid`: shuffled; sizes differ by one at most.
    - `shards` (McMahan et al., arXiv 1602.05629): sorted by label, cut into
      parts * shards_per_node shards, each node gets `shards_per_node` of them at random.
    - `dirichlet` (Yurochkin et al., arXiv 1905.12022): each class is divided among the nodes by
      shares drawn from Dir(alpha, ..., alpha). So nodes differ in their classes and in their
      sizes, the more the smaller alpha is; a node that would get nothing is given one sample.

    Raises ExperimentError for whatever can't be done, with the numbers.
    """
    known = list(SCHEMES)
    if scheme not in SCHEMES:
        raise ExperimentError(f"unknown partition scheme {scheme!r}{_near(scheme, known)}")
    settings = dict(SCHEMES[scheme])
    for name, value in args.items():
        if name not in settings:
            raise ExperimentError(
                f"partition scheme {scheme!r} has no argument {name!r}{_near(name, list(settings))}"
            )
        settings[name] = value
    if labels.ndim != 1:
        raise ExperimentError(f"labels must be one-dimensional, got shape {labels.shape}")
    _check_parts(len(labels), parts)
    _check_seed(seed)
    rng = np.random.RandomState(seed)
    if scheme == "shards":
        groups = _shards(labels, parts, settings["shards_per_node"], rng)
    elif scheme == "dirichlet":
        groups = _dirichlet(labels, parts, settings["alpha"], rng)
    else:
        groups = np.array_split(rng.permutation(len(labels)), parts)
    return [np.sort(group).astype(np.uint32) for group in groups]


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


def class_counts(
    labels: NDArray[np.int64], parts: Sequence[Indices], n_classes: int
) -> NDArray[np.int64]:
    """Samples of each class that each part has: int64 [parts, n_classes].

    Raises ExperimentError if a label is not below n_classes.
    """
    counts = np.zeros((len(parts), n_classes), np.int64)
    for row, part in enumerate(parts):
        found = np.bincount(labels[part], minlength=n_classes)
        if len(found) > n_classes:
            raise ExperimentError(f"label {len(found) - 1} found, but only {n_classes} classes")
        counts[row] = found
    return counts


def _shards(
    labels: NDArray[np.int64], parts: int, per_node: Union[int, float], rng: np.random.RandomState
) -> List[NDArray[np.int64]]:
    if isinstance(per_node, bool) or not isinstance(per_node, int) or per_node < 1:
        raise ExperimentError(f"shards_per_node is {per_node!r}, expected a whole number from 1")
    total = parts * per_node
    if total > len(labels):
        raise ExperimentError(
            f"{parts} nodes with {per_node} shards each need {total} shards, "
            f"but there are only {len(labels)} samples"
        )
    # Shuffled before the stable sort: within a label the seed decides, not the file's order.
    shuffled = rng.permutation(len(labels))
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    shards = np.array_split(by_label, total)
    deal = rng.permutation(total).reshape(parts, per_node)
    return [np.concatenate([shards[shard] for shard in hand]) for hand in deal]


def _dirichlet(
    labels: NDArray[np.int64], parts: int, alpha: Union[int, float], rng: np.random.RandomState
) -> List[NDArray[np.int64]]:
    number = isinstance(alpha, (int, float)) and not isinstance(alpha, bool)
    if not number or not math.isfinite(alpha) or alpha <= 0:
        raise ExperimentError(f"alpha is {alpha!r}, expected a number greater than 0")
    shuffled = rng.permutation(len(labels))
    groups: List[List[NDArray[np.int64]]] = [[] for _ in range(parts)]
    for label in np.unique(labels):
        pool = shuffled[labels[shuffled] == label]
        ends = np.rint(np.cumsum(_shares(parts, alpha, rng)) * len(pool)).astype(np.int64)
        for group, piece in zip(groups, np.split(pool, ends[:-1])):
            group.append(piece)
    return _none_empty([np.concatenate(group) for group in groups])


def _shares(parts: int, alpha: float, rng: np.random.RandomState) -> NDArray[np.float64]:
    # A gamma variate of a tiny shape underflows to 0; if all do, the limit is one taker.
    gammas = rng.standard_gamma(max(alpha, 1e-300), parts)
    total = gammas.sum()
    if not (total > 0 and math.isfinite(total)):
        gammas, total = np.zeros(parts), 1.0
        gammas[rng.randint(parts)] = 1.0
    shares: NDArray[np.float64] = gammas / total
    return shares


def _none_empty(groups: List[NDArray[np.int64]]) -> List[NDArray[np.int64]]:
    """Give each node without samples one of the node that has most."""
    for poor, group in enumerate(groups):
        if len(group) == 0:
            rich = max(range(len(groups)), key=lambda g: len(groups[g]))
            groups[poor], groups[rich] = groups[rich][-1:], groups[rich][:-1]
    return groups


def _check_parts(n: int, parts: int) -> None:
    if parts < 1:
        raise ExperimentError(f"{parts} parts asked, at least 1 is needed")
    if parts > n:
        raise ExperimentError(f"{n} samples can't be split into {parts} parts, one each at least")


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**32:
        raise ExperimentError(f"seed {seed} is not within 0 and 4294967295")


def _near(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{hint} (allowed: {', '.join(known) or 'none'})"
