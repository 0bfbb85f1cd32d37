"""The centralised twin: the same model, weights, samples seen and test set, on one machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from coordinator.runner import tested
from coordinator.runner.channel import Channel
from fedbed.data import Dataset
from fedbed.experiment import Experiment
from fedbed.tasks import FitSettings, Trainer
from fedbed.tasks.schedule import fit_seed

TWIN_PARTITION = 2**20
"""Stands for "all of the data" where a seed is mixed from a partition's number."""


def train(
    experiment: Experiment,
    seed: int,
    trainer: Trainer,
    initial: Mapping[str, np.ndarray[Any, Any]],
    data: Dataset,
    samples_per_round: list[int],
    channel: Channel,
) -> list[dict[str, Any]]:
    """Train on all samples in one place, in as many chunks as the federated run had rounds.

    A chunk sees as many samples as all nodes together saw in that round, at that round's learning
    rate, and goes on in its pass over the data where the chunk before it ended; the optimiser's
    state lives on from chunk to chunk. It is tested after those rounds after which the federated
    model is. Returns one entry per chunk. There are fewer of them than the learning rate is planned
    for where the run stopped at its target.
    """
    history: list[dict[str, Any]] = []
    trainer.load(initial)
    rounds, planned = len(samples_per_round), experiment.federation.rounds
    optimizer = experiment.optimizer
    first = 0
    for number, samples in enumerate(samples_per_round, start=1):
        channel.publish("phase", {"phase": "twin", "round": number, "rounds": rounds})
        began = time.monotonic()
        settings = FitSettings(
            samples=samples,
            batch_size=experiment.twin_batch_size,
            lr=optimizer.rate(number, planned, experiment.twin_lr),
            optimizer=optimizer.name,
            momentum=optimizer.used_momentum,
            betas=optimizer.used_betas,
            weight_decay=optimizer.weight_decay,
            clip=optimizer.clip or 0.0,
            seed=fit_seed(seed, 0, TWIN_PARTITION),
            first=first,
        )
        first += samples
        fitted = trainer.fit(data.train, settings, lambda _share: channel.check_stopped())
        due = number % experiment.federation.evaluate_every == 0 or number == rounds
        found = tested.figures(trainer.evaluate(data.test)) if due else {}
        entry = {
            "round": number,
            **found,
            "metrics": found,
            "train_loss": fitted["loss"],
            "samples": samples,
            "wall_s": round(time.monotonic() - began, 4),
        }
        history.append(entry)
        channel.publish("twin", entry)
    return history
