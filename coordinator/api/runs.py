"""Runs: submit, watch, stop, fetch results."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from coordinator.api.access import CentreDep, OperatorDep, ViewerDep
from coordinator.runs.spec import RunSpec
from fedbed.errors import NotFound

router = APIRouter(tags=["runs"])


@router.post("/runs")
async def submit(spec: RunSpec, _caller: OperatorDep, centre: CentreDep) -> dict[str, str]:
    """Queue a run; it starts when it has its nodes."""
    if spec.bundle is not None:
        centre.blobs.path(spec.bundle.sha256)
    return {"id": await centre.runs.submit(spec)}


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
    await centre.runs.cancel(run_id)
    return {"stopped": run_id}


@router.get("/runs/{run_id}/files")
async def list_files(run_id: str, _caller: ViewerDep, centre: CentreDep) -> list[dict[str, Any]]:
    """The results of a run."""
    folder = centre.runs.folder(run_id)
    return [
        {"name": path.name, "size": path.stat().st_size}
        for path in sorted(folder.iterdir())
        if path.is_file()
    ]


@router.get("/runs/{run_id}/files/{name}")
async def get_file(run_id: str, name: str, _caller: ViewerDep, centre: CentreDep) -> FileResponse:
    """One file of a run's results."""
    folder = centre.runs.folder(run_id)
    # Only names that the listing shows: no path can lead out of the folder.
    if name not in {path.name for path in folder.iterdir() if path.is_file()}:
        raise NotFound(f"run {run_id} has no file '{name}'")
    return FileResponse(folder / name)
