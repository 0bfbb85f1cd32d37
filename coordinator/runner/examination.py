"""A closer look at the models that a run ends with: confusion matrices, and sample predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fedbed.data import Split
from fedbed.tasks import Trainer, measures

SAMPLES = 4
"""Of how many test samples the predictions are kept, where there are masks to look at."""

Array = np.ndarray[Any, Any]


class Examination:
    """Looks at the federated model and at its twin with the same test samples.

    test: None where the coordinator has none; then a matrix can only be taken over (`take`).
    seed: decides which samples' predictions are kept.
    """

    def __init__(self, test: Split | None, seed: int) -> None:
        self._test = test
        self._chosen = choose(test, seed) if test is not None and test.y.ndim > 1 else None
        self.confusion: dict[str, list[list[int]]] = {}
        """By side (federated, centralised): row: what is true, column: what the model says."""
        self.predictions: dict[str, Array] = {}
        """`index`, `images`, `truth` and per side the predicted masks; empty without masks."""

    def look(self, side: str, trainer: Trainer) -> None:
        """Test the model that the trainer holds, and picture what it says."""
        if self._test is not None:
            self.take(side, trainer.evaluate(self._test))
        self.picture(side, trainer)

    def picture(self, side: str, trainer: Trainer) -> None:
        """Keep the predictions of the model that the trainer holds, where there are masks."""
        if self._test is not None and self._chosen is not None:
            samples = self._test.take(self._chosen)
            self.predictions.update(index=self._chosen, images=samples.x, truth=samples.y)
            self.predictions[side] = trainer.predict(samples.x).astype(np.uint8)

    def take(self, side: str, tested: Any) -> None:
        """Take over the confusion matrix of a test, if it has one."""
        matrix = measures.square(tested.get(measures.CONFUSION))
        if matrix is not None:
            self.confusion[side] = matrix.tolist()

    def save(self, path: Path) -> None:
        """Keep the predictions beside the results, if there are any (.npz, all uint8 but index)."""
        if self.predictions:
            np.savez_compressed(path, **self.predictions)  # type: ignore[arg-type]


def choose(test: Split, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Draw SAMPLES of the test samples; those with more than one class in their mask come first."""
    drawn = np.random.RandomState(seed % 2**32).permutation(len(test))
    telling = [i for i in drawn if test.y[i].min() < test.y[i].max()]
    plain = [i for i in drawn if test.y[i].min() == test.y[i].max()]
    return np.array((telling + plain)[:SAMPLES], np.int64)
