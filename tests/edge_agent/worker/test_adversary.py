from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_agent.worker.adversary import Arrays, spoil
from fedbed.errors import ExperimentError
from fedbed.link.messages import Poison

SENT: Arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.arange(2)}
TRAINED: Arrays = {"w": SENT["w"] + np.float32(0.5), "n": SENT["n"] + 3}


@pytest.mark.parametrize(
    ("kind", "expected"), [("sign-flip", SENT["w"] - 2), ("scale", SENT["w"] + 2)]
)
def test_the_update_is_multiplied(kind: str, expected: np.ndarray[Any, Any]) -> None:
    sent = spoil(Poison(kind, 4.0), SENT, TRAINED)
    assert sent["w"].tolist() == expected.tolist()
    assert sent["w"].dtype == np.float32
    assert sent["n"].tolist() == TRAINED["n"].tolist()


def test_nan_everywhere_but_in_integers() -> None:
    sent = spoil(Poison("nan"), SENT, TRAINED)
    assert np.isnan(sent["w"]).all()
    assert sent["n"].tolist() == TRAINED["n"].tolist()


def test_noise_is_as_long_as_it_says_and_the_same_for_the_same_seed() -> None:
    one, same, other = (spoil(Poison("noise", 3.0, s), SENT, TRAINED)["w"] for s in (1, 1, 2))
    length = np.linalg.norm(TRAINED["w"] - SENT["w"])
    assert np.linalg.norm(one - SENT["w"]) == pytest.approx(3 * length, rel=1e-5)
    assert one.tobytes() == same.tobytes() != other.tobytes()


def test_an_adversary_of_a_newer_coordinator_is_refused() -> None:
    with pytest.raises(ExperimentError, match="update its agent"):
        spoil(Poison("subtle"), SENT, TRAINED)
