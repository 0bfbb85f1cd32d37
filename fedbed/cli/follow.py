"""Following a run to its end, and what Ctrl-C does meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from fedbed.cli.progress import Display
from fedbed.cli.readings import ENDED
from fedbed.client import Client
from fedbed.errors import CoordinatorAway, FedbedError, RunFailed, by_code
from fedbed.units import format_duration

LONGEST_POLL_S = 1.0
LEAST_FRAME_S = 0.1
PATIENCE_S = 120.0
"""A coordinator that restarts resumes its runs, so its watchers wait for it."""


def follow(
    client: Client,
    run_id: str,
    display: Display,
    alive: Callable[[], None] = lambda: None,
    patience_s: float = PATIENCE_S,
) -> dict[str, Any]:
    """Show a run until it has ended; returns it as the API describes it.

    alive: called when the coordinator doesn't answer; raises if it is no use to wait for it.
    Raises CoordinatorAway if it doesn't answer for `patience_s`.
    """
    picture: dict[str, Any] = {"version": 0}
    run: dict[str, Any] = {"id": run_id}
    away_since: float | None = None
    while True:
        began = time.monotonic()
        try:
            picture = client.live(int(picture["version"]), LONGEST_POLL_S)
            run = find(picture, run_id) or client.run(run_id)
            away_since = None
        except CoordinatorAway as error:
            alive()
            away_since = began if away_since is None else away_since
            left = away_since + patience_s - began
            if left <= 0:
                raise
            # A new life counts its versions from the beginning.
            text = f"{error}; asking again for {format_duration(float(round(left)))}"
            picture = {**picture, "version": 0, "away": text}
            time.sleep(LONGEST_POLL_S)
        display.show(run, {**picture, "url": client.url})
        if run.get("state") in ENDED:
            return run
        time.sleep(max(0.0, LEAST_FRAME_S - (time.monotonic() - began)))


def find(picture: Mapping[str, Any], run_id: str) -> dict[str, Any] | None:
    """Return a run from a picture; None if it shows newer runs only."""
    return next((run for run in picture.get("runs", []) if run.get("id") == run_id), None)


def error_of(run: Mapping[str, Any]) -> FedbedError | None:
    """Return why a run has no full result; None if it finished."""
    if run.get("state") == "finished":
        return None
    text = str(run.get("error") or "").strip()
    if run.get("state") == "stopped":
        return RunFailed(f"run {run['id']} was stopped" + (f": {text}" if text else ""))
    kind = by_code().get(str(run.get("error_code")), RunFailed)
    return kind(f"run {run['id']} failed: {text or 'without a word'}")
