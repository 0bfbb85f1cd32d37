"""`python -m coordinator.runner`: started by the coordinator, in the run's folder."""

from __future__ import annotations

import contextlib
import sys
import traceback

from coordinator.runner.channel import Channel, RunStopped, failure
from fedbed.errors import FedbedError, RunFailed


def main() -> int:
    """Carry out the order that comes first on standard input; returns the exit code."""
    channel = Channel()
    message = channel.start()
    # Imported once the pipe is served: flwr and torch take their time.
    from coordinator.runner.app import AppRun
    from coordinator.runner.experiment import ExperimentRun
    from coordinator.runner.order import Order
    from coordinator.runner.patience import Patience

    order = Order.of(message)
    run: AppRun | ExperimentRun
    make = AppRun if order.spec.kind == "app" else ExperimentRun
    try:
        run = make(order, channel)
    except FedbedError as error:
        channel.tell("failed", **failure(error))
        return 0
    patience = Patience(channel)

    def write(state: str, error: str = "") -> None:
        run.outcome.ask_for_samples(channel)
        patience(lambda: run.outcome.write(state, error), stoppable=False)

    try:
        run.execute()
        channel.publish("phase", {"phase": "report", "detail": "writing the report"})
        write("finished")
    except RunStopped:
        write("stopped")
        channel.tell("stopped", detail="stopped by an operator")
    except Exception as error:  # noqa: BLE001 - a strategy may raise anything
        with contextlib.suppress(OSError):  # the log may lie on a full disk
            traceback.print_exc()
        known = error if isinstance(error, FedbedError) else RunFailed(_in_one_line(error))
        write("failed", str(known))
        channel.tell("failed", **failure(known))
    else:
        channel.tell("finished")
    return 0


def _in_one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:500]


if __name__ == "__main__":
    sys.exit(main())
