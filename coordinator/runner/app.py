"""A run of an unmodified Flower app: its ServerApp here, its ClientApp on the nodes."""

from __future__ import annotations

import os

from flwr.app import Context, RecordDict
from flwr.serverapp import ServerApp

from coordinator.runner.average import average
from coordinator.runner.channel import Channel
from coordinator.runner.checkpoint import Checkpoints
from coordinator.runner.driver import Driver
from coordinator.runner.grid import EdgeGrid
from coordinator.runner.items import ItemMaker
from coordinator.runner.order import Order
from coordinator.runner.outcome import Outcome
from coordinator.runner.patience import Patience, PatientBlobs
from coordinator.runner.policy import Policy
from fedbed import bundle, flower
from fedbed.errors import ExperimentError, FedbedError, RunFailed
from fedbed.link.messages import AppRef


class AppRun:
    """Everything of one run, from the order to the outcome."""

    def __init__(self, order: Order, channel: Channel) -> None:
        self._order = order
        self._channel = channel
        self.outcome = Outcome(order, None)

    def execute(self) -> None:
        """Call the ServerApp in the run's folder, so that files it writes are results."""
        order, channel, spec = self._order, self._channel, self._order.spec
        assert spec.bundle is not None
        assert order.bundle is not None
        channel.publish("phase", {"phase": "starting", "detail": "loading the app"})
        patience, packed = Patience(channel), order.bundle
        source = patience(lambda: bundle.unpack(packed, order.folder / "app"))
        flower.become(order.number, flower.SERVER_NODE_ID)
        policy = Policy(up=spec.codec_up, down=spec.codec_down)
        app_ref = AppRef("flower", spec.clientapp, spec.bundle, spec.run_config)
        blobs = PatientBlobs(order.blobs, patience)
        items = ItemMaker(order.run, order.partitions, policy, app_ref, blobs, spec.seed)
        grid = EdgeGrid(channel, order.number, policy, items)
        checkpoints = Checkpoints(order.folder / "checkpoint", patience)
        driver = Driver(grid, channel, checkpoints)
        self.outcome.grid, self.outcome.driver = grid, driver
        if order.resume:
            driver.resumed = checkpoints.latest()
        flower.replace_start(driver.start)
        flower.replace_averaging(average)
        app = flower.load_attribute(spec.serverapp, source)
        if not isinstance(app, ServerApp):
            raise ExperimentError(f"'{spec.serverapp}' is no ServerApp")
        context = Context(
            run_id=order.number,
            node_id=flower.SERVER_NODE_ID,
            node_config={},
            state=RecordDict(),
            run_config=dict(spec.run_config),
        )
        os.chdir(order.folder)
        try:
            app(grid, context)
        except FedbedError:
            raise
        except Exception as error:
            raise RunFailed(f"the ServerApp raised {type(error).__name__}: {error}") from error
        self.outcome.federated_done()
