"""`python -m coordinator.runner`: started by the coordinator, in the run's folder."""

from __future__ import annotations

import sys
import traceback

from coordinator.runner.channel import Channel, RunStopped, failure
from fedbed.errors import FedbedError


def main() -> int:
    """Carry out the order that comes first on standard input; returns the exit code."""
    channel = Channel()
    message = channel.start()
    # Imported once the pipe is served: flwr and torch take their time.
    from coordinator.runner.app import AppRun
    from coordinator.runner.experiment import ExperimentRun
    from coordinator.runner.order import Order

    order = Order.of(message)
    run: AppRun | ExperimentRun
    make = AppRun if order.spec.kind == "app" else ExperimentRun
    try:
        run = make(order, channel)
    except FedbedError as error:
        channel.tell("failed", **failure(error))
        return 0
    try:
        run.execute()
        channel.publish("phase", {"phase": "report", "detail": "writing the report"})
        run.outcome.write("finished")
    except RunStopped:
        run.outcome.write("stopped")
        channel.tell("stopped", detail="stopped by an operator")
    except FedbedError as error:
        traceback.print_exc()
        run.outcome.write("failed", str(error))
        channel.tell("failed", **failure(error))
    else:
        channel.tell("finished")
    return 0


if __name__ == "__main__":
    sys.exit(main())
