"""`python -m edge_agent.worker STATE_DIR [DATA_FILE]`: JSON lines in, JSON lines out."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, BinaryIO, Dict, Optional, Tuple

from edge_agent.residuals import FOLDER as RESIDUALS
from edge_agent.residuals import Residuals
from edge_agent.worker.job import Job, JobAborted, Runner
from edge_agent.worker.runners import make_runner, scope
from fedbed.link import pipes

ROOM_PAUSE_S = 2.0


def main() -> int:
    """Serve requests until standard input closes."""
    state_dir = Path(sys.argv[1])
    data_path = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    residuals = Residuals(state_dir / RESIDUALS)
    out = pipes.take_stdout()
    inbox: queue.Queue[Optional[Dict[str, Any]]] = queue.Queue()
    aborted = threading.Event()
    arguments = (pipes.take_stdin(), inbox, aborted)
    threading.Thread(target=_listen, args=arguments, daemon=True).start()
    runner: Optional[Runner] = None
    made_for: Optional[Tuple[str, Optional[int]]] = None
    while True:
        request = inbox.get()
        if request is None:
            return 0

        def tell(message: Dict[str, Any]) -> None:
            out.write(json.dumps(message).encode() + b"\n")
            out.flush()

        def on_progress(share: float) -> None:
            if aborted.is_set():
                raise JobAborted
            tell({"op": "progress", "share": share})

        def pause(seconds: float) -> None:
            if aborted.wait(seconds):
                raise JobAborted

        def wait_for_room() -> None:
            tell({"op": "full"})
            pause(ROOM_PAUSE_S)

        try:
            job = Job(request, on_progress, residuals, wait_for_room, pause)
            # A node that comes back late may be given another partition of the same run.
            if runner is None or made_for != scope(job.item):
                runner = make_runner(job, state_dir, data_path)
                made_for = scope(job.item)
            size, digest = job.run(runner)
        except JobAborted:
            tell({"op": "failed", "reason": "stopped: its round had closed"})
        except Exception as error:  # noqa: BLE001 - whatever an app raises is its error reply
            traceback.print_exc()
            tell({"op": "failed", "reason": f"{type(error).__name__}: {error}"[:500]})
        else:
            tell({"op": "done", "size": size, "sha256": digest})
            # While it is being sent: a good link then costs no time for the disk, and often, as
            # what has arrived is removed, no wear of the flash either.
            with contextlib.suppress(OSError):
                job.sync()


def _listen(
    into: BinaryIO, inbox: queue.Queue[Optional[Dict[str, Any]]], aborted: threading.Event
) -> None:
    for line in into:
        message = json.loads(line)
        if message["op"] == "abort":
            aborted.set()
        else:
            # Here and not where it is taken up: an abort may follow at once.
            aborted.clear()
            inbox.put(message)
    # The daemon is gone or wants us gone; a computation in the main thread must not keep us.
    inbox.put(None)
    aborted.set()
    threading.Timer(2.0, os._exit, (0,)).start()


if __name__ == "__main__":
    sys.exit(main())
