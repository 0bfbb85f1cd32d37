from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbed.data.partition import (
    SCHEMES,
    absent,
    class_counts,
    heterogeneity,
    overlaps,
    plan,
    plan_hash,
    split_test,
)
from fedbed.errors import ExperimentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Request = Tuple[Numbers, Optional[Numbers], int, str, int, Dict[str, Any]]


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Labels, groups and a request that can be met."""
    scheme = draw(st.sampled_from(sorted(SCHEMES)))
    labels = np.array(draw(st.lists(st.integers(0, 6), min_size=1, max_size=150)), np.int64)
    args: Dict[str, Any] = {}
    most = len(labels)
    if scheme == "shards":
        args["shards_per_node"] = draw(st.integers(1, min(4, most)))
        most //= args["shards_per_node"]
    elif scheme in ("dirichlet", "quantity"):
        args["alpha"] = draw(st.floats(1e-9, 1e6))
    groups = None
    if scheme == "groups":
        groups = np.array(
            draw(st.lists(st.integers(0, 20), min_size=most, max_size=most)), np.int64
        )
        most = len(set(groups.tolist()))
    parts = draw(st.integers(1, most))
    return labels, groups, parts, scheme, draw(st.integers(0, 2**32 - 1)), args


@given(requests())
@settings(max_examples=300, deadline=None)
def test_every_plan_is_a_partition(request: Request) -> None:
    labels, groups, parts, scheme, seed, args = request
    got = plan(labels, parts, scheme, seed, groups, **args)
    assert len(got) == parts
    for part in got:
        assert part.dtype == np.uint32
        assert len(part) > 0
        assert (np.diff(part.astype(np.int64)) > 0).all(), "sorted, nothing twice"
    again = plan(labels, parts, scheme, seed, groups, **args)
    assert plan_hash(got) == plan_hash(again)
    if overlaps(scheme):
        assert all(len(part) == len(labels) for part in got)
        return
    assert sorted(np.concatenate(got).tolist()) == list(range(len(labels)))
    if scheme == "iid":
        sizes = [len(part) for part in got]
        assert max(sizes) - min(sizes) <= 1
    counts = class_counts(labels, got, 7)
    assert counts.dtype == np.int64
    assert np.array_equal(counts.sum(0), np.bincount(labels, minlength=7))
    assert counts.sum(1).tolist() == [len(part) for part in got]


@given(st.integers(1, 200), st.data())
@settings(deadline=None)
def test_split_test_is_a_partition_into_equal_parts(n: int, data: st.DataObject) -> None:
    parts = data.draw(st.integers(1, n))
    got = split_test(n, parts, data.draw(st.integers(0, 2**32 - 1)))
    assert sorted(np.concatenate(got).tolist()) == list(range(n))
    assert {len(part) for part in got} <= {n // parts, n // parts + 1}
    assert all(part.dtype == np.uint32 and (np.sort(part) == part).all() for part in got)


LABELS = np.repeat(np.arange(10), 600).astype(np.int64)
GROUPS = np.arange(6000, dtype=np.int64) % 40


@pytest.mark.parametrize("scheme", sorted(name for name in SCHEMES if not overlaps(name)))
def test_seed_decides(scheme: str) -> None:
    one, two = (plan(LABELS, 10, scheme, seed, GROUPS) for seed in (1, 2))
    assert plan_hash(one) != plan_hash(two)


# From NumPy 1.24 and 2.4 alike: a change here is a change of everybody's partitions.
FROZEN = {
    "iid": "50b138e201ec4138d65eea51f2bd86d05733942a7289a9f4e692abcba6796e5f",
    "shards": "d578fcc9ec659ded43647454b4e2b997ddcc08872da0ae05f1a2cbf86d0d7a48",
    "dirichlet": "2e36750dc98902ec49e7a06e64c7c2213902814a6aae147b8369af45ce0d9c95",
    "quantity": "c8742a793f5196d7adc2166d83d06495aea71ae57ad7e723c546edb9ebf7d0c2",
    "groups": "3253dda902fe45472ba24dd75f6e491c88e173fb9056ac28cd013010a017a107",
    "replicas": "44bce5805d45070fda93f6e3b9732b227407162b3e5246fc9d9e6ba10d693b32",
}


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_plans_are_frozen(scheme: str) -> None:
    assert plan_hash(plan(LABELS, 10, scheme, 1, GROUPS)) == FROZEN[scheme]


def test_iid_gives_everybody_all_classes() -> None:
    counts = class_counts(LABELS, plan(LABELS, 10, "iid", 0), 10)
    assert counts.min() > 30


@pytest.mark.parametrize("per_node", [1, 2, 5])
def test_shards_bound_the_classes_of_a_node(per_node: int) -> None:
    # 10 * per_node shards of 600 / per_node samples: no shard has two classes.
    parts = plan(LABELS, 10, "shards", 3, shards_per_node=per_node)
    counts = class_counts(LABELS, parts, 10)
    assert ((counts > 0).sum(1) <= per_node).all()
    assert (counts % (600 // per_node) == 0).all()
    assert [len(part) for part in parts] == [600] * 10


def test_quantity_skews_sizes_and_not_classes() -> None:
    sizes = {}
    for alpha in (0.1, 1.0, 1e6):
        parts = plan(LABELS, 10, "quantity", 4, alpha=alpha)
        sizes[alpha] = np.array([len(part) for part in parts])
        large = [part for part in parts if len(part) > 500]
        counts = class_counts(LABELS, large, 10)
        assert heterogeneity(counts, np.bincount(LABELS)) < 0.06
    assert sizes[0.1].std() > sizes[1.0].std() > 300 > sizes[1e6].std()
    assert np.abs(sizes[1e6] - 600).max() < 20


def test_groups_stay_whole_and_hands_even() -> None:
    groups = np.repeat(np.arange(30), np.arange(1, 31)).astype(np.int64) * 7 + 3
    labels = np.zeros(len(groups), np.int64)
    parts = plan(labels, 4, "groups", 2, groups)
    of_nodes = [set(groups[part].tolist()) for part in parts]
    assert sum(map(len, of_nodes)) == 30, "no group is at two nodes"
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 4, sizes


def test_every_replica_is_all_there_is() -> None:
    parts = plan(LABELS, 7, "replicas", 1)
    assert all(part is parts[0] for part in parts), "one array: it is encoded once"
    assert parts[0].tolist() == list(range(6000))
    assert len(plan(LABELS[:3], 7, "replicas", 1)) == 7, "more nodes than samples"


def test_default_is_two_shards_and_alpha_one_half() -> None:
    for scheme, args in SCHEMES.items():
        spelled = plan(LABELS, 5, scheme, 3, GROUPS, **args)
        assert plan_hash(plan(LABELS, 5, scheme, 3, GROUPS)) == plan_hash(spelled)
    assert SCHEMES == {
        "iid": {},
        "shards": {"shards_per_node": 2},
        "dirichlet": {"alpha": 0.5},
        "quantity": {"alpha": 0.5},
        "groups": {},
        "replicas": {},
    }


def _unevenness(alpha: float) -> float:
    parts = plan(LABELS, 10, "dirichlet", 5, alpha=alpha)
    shares = class_counts(LABELS, parts, 10) / 600
    return float(np.abs(shares - 0.1).sum(1).mean())


def test_alpha_sets_the_unevenness() -> None:
    # 0 is everybody alike, 1.8 is each class at one node. Between them, with ten nodes: alpha 1 is
    # Dir(1, ..., 1), whose mean deviation is 10 * E|Beta(1, 9) - 0.1| = 0.70.
    assert _unevenness(0.01) > 1.5
    assert 0.55 < _unevenness(1.0) < 0.85
    assert _unevenness(1e5) < 0.15


@pytest.mark.parametrize("alpha", [1e-9, 1e-300])
def test_vanishing_alpha_gives_each_class_to_one_node(alpha: float) -> None:
    counts = class_counts(LABELS, plan(LABELS, 10, "dirichlet", 5, alpha=alpha), 10)
    # All but the single samples that keep the others from having none.
    assert (counts.max(0) >= 590).all()
    assert (counts.sum(1) >= 1).all()


def test_a_large_alpha_divides_every_class_evenly() -> None:
    labels = np.array([0] * 9000 + [1] * 1000, np.int64)
    counts = class_counts(labels, plan(labels, 10, "dirichlet", 0, alpha=1e6), 2)
    assert np.abs(counts[:, 1] - 100).max() < 50


@pytest.mark.parametrize(
    ("parts", "scheme", "args", "says"),
    [
        (0, "iid", {}, "0 parts asked"),
        (-3, "iid", {}, "-3 parts asked"),
        (6001, "iid", {}, "6000 samples can't be split into 6001 parts"),
        (6001, "dirichlet", {}, "6000 samples can't be split into 6001 parts"),
        (3001, "shards", {}, "need 6002 shards, but there are only 6000 samples"),
        (2, "shards", {"shards_per_node": 0}, "shards_per_node is 0"),
        (2, "shards", {"shards_per_node": 1.5}, "shards_per_node is 1.5"),
        (2, "shards", {"shards_per_node": True}, "shards_per_node is True"),
        (2, "dirichlet", {"alpha": 0}, "alpha is 0, expected a number greater than 0"),
        (2, "dirichlet", {"alpha": -0.5}, "alpha is -0.5"),
        (2, "dirichlet", {"alpha": float("nan")}, "alpha is nan"),
        (2, "dirichlet", {"alpha": float("inf")}, "alpha is inf"),
        (2, "dirichlet", {"alpha": "0.5"}, "alpha is '0.5'"),
        (2, "quantity", {"alpha": 0}, "alpha is 0, expected a number greater than 0"),
        (6001, "quantity", {}, "6000 samples can't be split into 6001 parts"),
        (2, "groups", {}, "'groups' needs samples in groups .scenes, sites., and this data set"),
        (0, "replicas", {}, "0 parts asked"),
        (2, "dirichlet", {"alfa": 1.0}, "no argument 'alfa'; did you mean 'alpha'"),
        (2, "iid", {"alpha": 1.0}, "'iid' has no argument 'alpha' .allowed: none"),
        (2, "dirchlet", {}, "scheme 'dirchlet'; did you mean 'dirichlet'"),
        (2, "pachinko", {}, "scheme 'pachinko' .allowed: iid, shards, dirichlet"),
    ],
)
def test_impossible_requests(parts: int, scheme: str, args: Dict[str, Any], says: str) -> None:
    with pytest.raises(ExperimentError, match=says) as caught:
        plan(LABELS, parts, scheme, 0, **args)
    assert "\n" not in str(caught.value)


def test_impossible_groups() -> None:
    with pytest.raises(ExperimentError, match="40 groups can't be dealt to 41 nodes"):
        plan(LABELS, 41, "groups", 0, GROUPS)
    with pytest.raises(ExperimentError, match="6000 labels, but 5 numbers of groups"):
        plan(LABELS, 2, "groups", 0, GROUPS[:5])
    with pytest.raises(ExperimentError, match="groups must be one-dimensional"):
        plan(LABELS, 2, "groups", 0, GROUPS.reshape(2, -1))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_impossible_seed(seed: int) -> None:
    with pytest.raises(ExperimentError, match=f"seed {seed}"):
        plan(LABELS, 2, "iid", seed)
    with pytest.raises(ExperimentError, match=f"seed {seed}"):
        split_test(10, 2, seed)


def test_labels_must_be_flat() -> None:
    with pytest.raises(ExperimentError, match="one-dimensional"):
        plan(LABELS.reshape(2, -1), 2, "iid", 0)


def test_split_test_refuses_what_cannot_be() -> None:
    with pytest.raises(ExperimentError, match="3 samples can't be split into 4 parts"):
        split_test(3, 4, 0)


def test_hash_tells_order_and_boundaries() -> None:
    def parts(*groups: List[int]) -> List[NDArray[np.uint32]]:
        return [np.array(group, np.uint32) for group in groups]

    plans = [parts([0, 1], [2]), parts([0], [1, 2]), parts([2], [0, 1]), parts([0, 1, 2])]
    assert len({plan_hash(one) for one in plans}) == 4
    assert plan_hash(plans[0]) == plan_hash([part.astype(">u4") for part in plans[0]])


def test_class_counts_refuses_a_label_beyond_the_classes() -> None:
    with pytest.raises(ExperimentError, match="label 9 found, but only 4 classes"):
        class_counts(LABELS, plan(LABELS, 2, "iid", 0), 4)


def test_pixels_of_masks_are_counted() -> None:
    masks = np.random.RandomState(0).randint(0, 4, (600, 5, 6)).astype(np.uint8)
    parts = [np.arange(10), np.arange(300, 600)]
    counts = class_counts(masks, parts, 4)
    assert counts.tolist() == [np.bincount(masks[part].ravel()).tolist() for part in parts]
    with pytest.raises(ExperimentError, match="label 3 found, but only 3 classes"):
        class_counts(masks, parts, 3)


def test_heterogeneity_is_the_share_that_would_have_to_be_exchanged() -> None:
    whole = np.array([50, 50])
    assert heterogeneity(np.array([[5, 5], [20, 20]]), whole) == 0.0
    assert heterogeneity(np.array([[50, 0], [0, 50]]), whole) == 0.5
    assert heterogeneity(np.array([[5, 5], [0, 40]]), whole) == 0.25
    one_class_each = class_counts(LABELS, plan(LABELS, 10, "shards", 1, shards_per_node=1), 10)
    assert heterogeneity(one_class_each, np.bincount(LABELS)) == pytest.approx(0.9)


def test_absent_are_the_wanted_that_nobody_holds() -> None:
    counts = np.array([[3, 0, 0, 1], [2, 0, 0, 0]])
    assert absent(counts, np.array([1, 1, 0, 1])) == [1]


def test_labels_are_left_as_they_are() -> None:
    labels, groups = LABELS.copy(), GROUPS.copy()
    for scheme in SCHEMES:
        plan(labels, 7, scheme, 0, groups)
    assert np.array_equal(labels, LABELS)
    assert np.array_equal(groups, GROUPS)
    assert "labels" in inspect.signature(plan).parameters
