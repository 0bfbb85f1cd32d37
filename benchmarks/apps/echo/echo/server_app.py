"""The ServerApp: FedAvg, and the time at the end of each round."""

from __future__ import annotations

import json
import time
from pathlib import Path

from flwr.app import Array, ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from echo.model import initial

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the rounds; `clock` gets the seconds (monotonic) at the start and at each end."""
    config = context.run_config
    clock = Path(str(config["clock"]))
    ends: list[float] = []

    def note(_round: int, _arrays: ArrayRecord) -> MetricRecord:
        ends.append(time.monotonic())
        clock.write_text(json.dumps(ends))
        return MetricRecord({"accuracy": 0.0})

    arrays = initial(str(config["model"]))
    FedAvg(fraction_evaluate=0.0).start(
        grid=grid,
        initial_arrays=ArrayRecord({name: Array(value) for name, value in arrays.items()}),
        num_rounds=int(config["rounds"]),
        evaluate_fn=note,
    )
