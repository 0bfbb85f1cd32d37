"""Runs: submit, watch, stop, fetch results."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse

from coordinator.api import files
from coordinator.api.access import CentreDep, OperatorDep, ViewerDep
from coordinator.api.errors import TurnedAway
from coordinator.api.strict import Strict
from coordinator.runs.spec import RunSpec
from fedbed.errors import NotFound, RunFailed

router = APIRouter(tags=["runs"], route_class=Strict)


@router.post("/runs")
async def submit(spec: RunSpec, _caller: OperatorDep, centre: CentreDep) -> dict[str, str]:
    """Queue a run; it starts when it has its nodes."""
    if spec.bundle is not None:
        centre.blobs.path(spec.bundle.sha256)
    return {"id": await centre.runs.submit(spec)}


@router.post("/runs/eligible")
async def eligible(spec: RunSpec, _caller: OperatorDep, centre: CentreDep) -> dict[str, list[str]]:
    """Which nodes a run may choose, now or when other runs have ended; nothing is submitted."""
    return {"nodes": await centre.runs.eligible(spec)}


@router.get("/runs")
async def list_runs(
    _caller: ViewerDep, centre: CentreDep, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> list[dict[str, Any]]:
    """The newest runs, newest first."""
    return centre.runs.view.newest(limit)


@router.get("/runs/{run_id}")
async def get_run(run_id: str, _caller: ViewerDep, centre: CentreDep) -> dict[str, Any]:
    """One run, with its rounds so far and what it waits for."""
    return centre.runs.view.describe(centre.runs.ledger.row(run_id))


@router.post("/runs/{run_id}/stop")
async def stop(run_id: str, _caller: OperatorDep, centre: CentreDep) -> dict[str, str]:
    """Stop a run for good; what its rounds have produced stays."""
    try:
        await centre.runs.cancel(run_id)
    except RunFailed as error:
        # No fault of ours, as the error's own status would say.
        raise TurnedAway(error, 409) from error
    return {"stopped": run_id}


@router.get("/runs/{run_id}/files")
async def list_files(run_id: str, _caller: ViewerDep, centre: CentreDep) -> list[dict[str, Any]]:
    """The results of a run."""
    return [
        {"name": name, "size": size} for name, size in _results(centre.runs.folder(run_id)).items()
    ]


@router.get("/runs/{run_id}/files/{name}", response_class=FileResponse)
async def get_file(
    run_id: str, name: str, request: Request, _caller: ViewerDep, centre: CentreDep
) -> FileResponse:
    """One file of a run's results."""
    folder = centre.runs.folder(run_id)
    # Only names that the listing shows: no path can lead out of the folder.
    if name not in _results(folder):
        raise NotFound(f"run {run_id} has no file '{name}'")
    return files.answer(folder / name, request)


def _results(folder: Path) -> dict[str, int]:
    """Return the size of each file by its name; none where somebody has tidied up."""
    found: dict[str, int] = {}
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(folder.iterdir()):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    found[path.name] = path.stat().st_size
    return found
