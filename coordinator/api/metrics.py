"""Figures for Prometheus, at the address where it looks for them."""

from __future__ import annotations

import asyncio
import importlib
from collections import Counter

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from coordinator.api.access import CentreDep, ViewerDep
from coordinator.centre import Centre
from coordinator.fleet.state import NodeState
from coordinator.runs.progress import ENDED

router = APIRouter(tags=["live"])
_RENDERER = "coordinator.telemetry.metrics"
_RUN_STATES = ("queued", "running", *ENDED)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(_caller: ViewerDep, centre: CentreDep) -> Response:
    """Nodes, runs, traffic and the coordinator's own cost, in Prometheus's text format."""
    # Imported once somebody asks: its library takes time and memory.
    renderer = await asyncio.to_thread(importlib.import_module, _RENDERER)
    figures = renderer.Figures(**_figures(centre))
    return Response(renderer.render(figures), media_type=renderer.CONTENT_TYPE)


def _figures(centre: Centre) -> dict[str, object]:
    fleet, tally, recorder = centre.fleet, centre.tally, centre.recorder
    states = Counter(str(fleet.state(member)) for member in fleet.fleet)
    runs = centre.runs.ledger.counted()
    return {
        "nodes": {str(state): states[str(state)] for state in NodeState},
        "runs": {state: runs.get(state, 0) for state in _RUN_STATES},
        "offences": {member.name: member.offences for member in fleet.fleet},
        "queue": len(centre.runs.queued()),
        "rounds": tally.rounds,
        "bytes_up": tally.bytes_up,
        "bytes_down": tally.bytes_down,
        "points_waiting": None if recorder is None else recorder.writer.waiting,
        "points_dropped": None if recorder is None else recorder.writer.dropped,
    }
