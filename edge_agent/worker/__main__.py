"""`python -m edge_agent.worker STATE_DIR [DATA_FILE]`: JSON lines in, JSON lines out."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, BinaryIO, Dict, Optional

from edge_agent.worker.job import Job, JobAborted, Runner, make_runner


def main() -> int:
    """Serve requests until standard input closes."""
    state_dir = Path(sys.argv[1])
    data_path = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    out = _private_stdout()
    requests: queue.Queue[Optional[Dict[str, Any]]] = queue.Queue()
    aborted = threading.Event()
    threading.Thread(target=_listen, args=(requests, aborted), daemon=True).start()
    runner: Optional[Runner] = None
    while True:
        request = requests.get()
        if request is None:
            return 0
        aborted.clear()

        def tell(message: Dict[str, Any]) -> None:
            out.write(json.dumps(message).encode() + b"\n")
            out.flush()

        def on_progress(share: float) -> None:
            if aborted.is_set():
                raise JobAborted
            tell({"op": "progress", "share": share})

        try:
            job = Job(request, on_progress)
            if runner is None:
                runner = make_runner(job, state_dir, data_path)
            size, digest = job.run(runner)
        except JobAborted:
            tell({"op": "failed", "reason": "stopped: its round had closed"})
        except Exception as error:  # noqa: BLE001 - whatever an app raises is its error reply
            traceback.print_exc()
            tell({"op": "failed", "reason": f"{type(error).__name__}: {error}"[:500]})
        else:
            tell({"op": "done", "size": size, "sha256": digest})


def _private_stdout() -> BinaryIO:
    """Keep the protocol's pipe to ourselves: what an app prints goes to the log."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return out


def _listen(requests: queue.Queue[Optional[Dict[str, Any]]], aborted: threading.Event) -> None:
    # A reader of our own: at exit the interpreter would wait for the lock of sys.stdin's.
    for line in os.fdopen(os.dup(0), "rb"):
        message = json.loads(line)
        if message["op"] == "abort":
            aborted.set()
        else:
            requests.put(message)
    # The daemon is gone or wants us gone; a computation in the main thread must not keep us.
    requests.put(None)
    aborted.set()
    threading.Timer(2.0, os._exit, (0,)).start()


if __name__ == "__main__":
    sys.exit(main())
