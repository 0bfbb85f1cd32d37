"""Runs a Flower ClientApp, unmodified, out of a bundle."""

from __future__ import annotations

from pathlib import Path

from flwr.app import Context, RecordDict

from edge_agent.worker.job import Content, Job, Runner
from fedbed import bundle, flower
from fedbed.errors import ExperimentError


class FlowerRunner(Runner):
    """One ClientApp with its context, kept for the run."""

    def __init__(self, job: Job, state_dir: Path) -> None:
        item = job.item
        if item.app.bundle is None:
            raise ExperimentError("a Flower app came without its bundle")
        folder = bundle.unpack(job.path(item.app.bundle), state_dir / "apps")
        run_id, node_id = int(item.message["run_id"]), int(item.message["dst_node_id"])
        flower.become(run_id, node_id)
        self._app = flower.load_attribute(item.app.name, folder)
        self._context = Context(
            run_id=run_id,
            node_id=node_id,
            node_config={"partition-id": item.partition, "num-partitions": item.partitions},
            state=RecordDict(),
            run_config=dict(item.app.run_config),
        )

    def handle(self, job: Job, content: Content) -> Content:
        """Call the ClientApp with the message that the ServerApp sent."""
        arrays = {name: flower.array_of(held) for name, held in content.arrays.items()}
        records = flower.join_records(arrays, content.metrics, content.config)
        answer = self._app(flower.instruction(records, job.item.message), self._context)
        if answer.has_error():
            raise ExperimentError(f"the ClientApp replied with an error: {answer.error.reason}")
        held, metrics, config = flower.split_records(answer.content)
        return Content(
            {name: flower.views_of(record) for name, record in held.items()}, metrics, config
        )
