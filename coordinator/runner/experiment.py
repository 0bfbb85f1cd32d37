"""A run of an experiment file: partition, federated rounds, centralised twin."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, MetricRecord
from flwr.serverapp.strategy import Strategy

from coordinator.runner import tested
from coordinator.runner.adversaries import Adversaries
from coordinator.runner.asynchronous import AsynchronousDriver
from coordinator.runner.average import average
from coordinator.runner.channel import Channel
from coordinator.runner.checkpoint import Checkpoints
from coordinator.runner.driver import Driver
from coordinator.runner.examination import Examination
from coordinator.runner.grid import EdgeGrid
from coordinator.runner.items import ItemMaker
from coordinator.runner.order import Order
from coordinator.runner.outcome import Outcome
from coordinator.runner.pace import Pace
from coordinator.runner.patience import Patience, PatientBlobs
from coordinator.runner.policy import Policy
from coordinator.runner.records import Records
from coordinator.runner.samples import Samples
from coordinator.runner.screening import Screening
from coordinator.runner.selector import Selector
from coordinator.runner.stragglers import Stragglers
from coordinator.runner.stream import StreamGrid
from coordinator.runner.twins import Twins, evened, obtain
from coordinator.runs.spec import experiment_of
from fedbed import codec, flower, tasks
from fedbed.data import Split
from fedbed.experiment import Experiment, strategies
from fedbed.link.messages import AppRef
from fedbed.strategies.reweighted import Reweighted
from fedbed.tasks import Trainer

ARRAYS = "arrays"


class ExperimentRun:
    """Everything of one run, from the order to the outcome."""

    def __init__(self, order: Order, channel: Channel) -> None:
        self._order = order
        self._channel = channel
        self._experiment: Experiment = experiment_of(order.spec.experiment)
        self.outcome = Outcome(order, self._experiment)

    def execute(self) -> None:
        """Run to the end; `outcome` holds what there is, also when an exception breaks it off."""
        order, channel, experiment = self._order, self._channel, self._experiment
        outcome = self.outcome
        seed = order.spec.seed
        _seed_everything(seed)
        channel.publish("phase", {"phase": "starting", "detail": "reading the data"})
        patience = Patience(channel)
        blobs = PatientBlobs(order.blobs, patience)
        samples = Samples(experiment, order.partitions, seed)
        outcome.samples = samples
        channel.publish("phase", {"phase": "starting", "dataset": samples.name})
        task = experiment.task.name
        classes = None if samples.whole is None else len(samples.whole.classes)
        args = outcome.task_args = tasks.with_classes(task, experiment.task.args, classes)
        trainer = tasks.create(task, args)
        weights = trainer.initial(seed)
        initial = {**weights, **_moments(experiment, trainer)}
        app = AppRef("task", task, run_config=args)
        policy = Policy.of(experiment)
        items = ItemMaker(order.run, order.partitions, policy, app, blobs, seed)
        items.data = samples.deal(blobs)
        items.expect = [codec.ArraySpec(name, str(a.dtype), a.shape) for name, a in initial.items()]
        chosen = experiment.federation.strategy
        strategy = strategies.build(chosen.name, chosen.args, strategies.defaults(experiment))
        _give_samples_kept_back(strategy, trainer, samples.kept_back)
        flower.become(order.number, flower.SERVER_NODE_ID)
        flower.replace_averaging(average)
        checkpoints = Checkpoints(order.folder / "checkpoint", patience)
        grid, driver = _driver_for(strategy, channel, order.number, policy, items, checkpoints)
        one_by_one = strategies.is_asynchronous(strategy)
        grid.screening = Screening(experiment.screening, samples.sizes(), one_by_one)
        adversaries = Adversaries.choose(experiment.adversaries, order.partitions, seed)
        items.adversaries = outcome.adversaries = adversaries
        if adversaries.partitions and not order.resume:
            channel.publish("event", adversaries.describe())
        stragglers = Stragglers.choose(experiment.stragglers, order.partitions, seed)
        items.stragglers = outcome.stragglers = stragglers
        if stragglers.partitions and not order.resume:
            channel.publish("event", stragglers.describe())
        outcome.grid, outcome.driver = grid, driver
        if order.resume:
            driver.resumed = checkpoints.latest()
            for entry in driver.resumed.history if driver.resumed else ():
                grid.screening.remember(entry.get("usual_norm", 0.0))
        driver.configure_round = self._configure_round
        driver.is_enough = outcome.target.is_enough
        driver.metric = tasks.metric(task)
        driver.pool = lambda exchanges: tested.together(exchanges, tasks.wants(task))
        records = Records()
        driver.pace = Pace.of(experiment.federation, records)
        driver.selector = outcome.selector = Selector.of(
            experiment, grid, channel, records, samples.sizes(), seed
        )
        if driver.selector is not None:
            # Before anything is trained: whom it can't choose now it never can.
            driver.selector.check()
        driver.dtypes = {name: str(array.dtype) for name, array in initial.items()}

        def evaluate(number: int, arrays: ArrayRecord) -> MetricRecord | None:
            assert samples.whole is not None
            federation = experiment.federation
            if number % federation.evaluate_every and number != federation.rounds:
                return None
            trainer.load(flower.ndarrays_of(arrays))
            return MetricRecord(dict(trainer.evaluate(samples.whole.test)))

        on_server = experiment.federation.evaluate in ("server", "both")
        result = driver.start(
            strategy,
            grid,
            flower.array_of(initial),
            num_rounds=experiment.federation.rounds,
            timeout=experiment.federation.deadline,
            train_config=self._train_config(seed),
            evaluate_config=ConfigRecord({"seed": seed}),
            evaluate_fn=evaluate if on_server and samples.whole is not None else None,
        )
        outcome.federated_done()
        examination = outcome.examination = Examination(
            None if samples.whole is None else samples.whole.test, seed
        )
        on_nodes = result.evaluate_metrics_clientapp
        for _, found in sorted(
            (result.evaluate_metrics_serverapp if on_server else on_nodes).items()
        ):
            examination.take("federated", found)
        if experiment.federation.evaluate != "none" and driver.model is not None:
            trainer.load(flower.ndarrays_of(driver.model))
            # The last round's test was of this very model.
            is_tested = "federated" in examination.confusion
            look = examination.picture if is_tested else examination.look
            look("federated", trainer)
        if order.spec.twin and samples.whole is not None:
            seen = [_samples_seen(entry) for entry in driver.history]
            crowd = max(len(entry["nodes"]) for entry in driver.history)
            kept = Twins(order.twins)
            outcome.take_twin(
                obtain(
                    kept,
                    order.run,
                    experiment,
                    seed,
                    trainer,
                    weights,
                    samples.pooled(),
                    evened(seen, crowd),
                    channel,
                )
            )
            examination.look("centralised", trainer)

    def _configure_round(self, number: int, config: ConfigRecord) -> None:
        rounds = self._experiment.federation.rounds
        config["lr"] = self._experiment.optimizer.rate(number, rounds)

    def _train_config(self, seed: int) -> ConfigRecord:
        federation, optimizer = self._experiment.federation, self._experiment.optimizer
        return ConfigRecord(
            {
                "local-epochs": federation.local_epochs,
                "batch-size": federation.batch_size,
                "lr": optimizer.lr,
                "optimizer": optimizer.name,
                "momentum": optimizer.used_momentum,
                "betas": list(optimizer.used_betas),
                "weight-decay": optimizer.weight_decay,
                "clip": optimizer.clip or 0.0,
                "moments": optimizer.moments,
                "seed": seed,
            }
        )


def _moments(experiment: Experiment, trainer: Trainer) -> Mapping[str, Any]:
    """Return the optimiser's state before its first step, where it travels with the model."""
    optimizer = experiment.optimizer
    return trainer.moments(optimizer.name) if optimizer.moments == "average" else {}


def _samples_seen(entry: dict[str, Any]) -> int:
    return sum(int(node["metrics"]["samples"]) for node in entry["nodes"])


def _driver_for(
    strategy: Strategy,
    channel: Channel,
    number: int,
    policy: Policy,
    items: ItemMaker,
    checkpoints: Checkpoints,
) -> tuple[EdgeGrid, Driver]:
    """Return what drives the strategy, in rounds or without, and the Grid for that."""
    if strategies.is_asynchronous(strategy):
        stream = StreamGrid(channel, number, policy, items)
        return stream, AsynchronousDriver(stream, channel, checkpoints)
    grid = EdgeGrid(channel, number, policy, items)
    return grid, Driver(grid, channel, checkpoints)


def _give_samples_kept_back(strategy: Strategy, trainer: Trainer, kept_back: Split | None) -> None:
    """Let those strategies that look at losses find out a model's."""
    if kept_back is None:
        return

    def loss(model: ArrayRecord) -> float:
        trainer.load(flower.ndarrays_of(model))
        return float(trainer.evaluate(kept_back)["loss"])

    for layer in strategies.layers(strategy):
        if isinstance(layer, Reweighted):
            layer.validate = loss


def _seed_everything(seed: int) -> None:
    """Strategies choose nodes and draw noise from the global generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
