"""Pictures of runs as the API gives them, for tests of what is shown."""

from __future__ import annotations

from typing import Any


def node(name: str, state: str = "ready", progress: float = 0.0) -> dict[str, Any]:
    return {"id": f"n-{name}", "name": name, "state": state, "run": "r1", "progress": progress}


def row(number: int, accuracy: float, nodes: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "round": number,
        "accuracy": accuracy,
        "wall_s": 1.5,
        "asked": 4,
        "participants": 4,
        "nodes": [
            {"name": name, "upload_s": 0.1, "timeline": {"work_s": 1.1, "wait_s": 9.0}}
            for name in nodes
        ],
    }


def run(**changes: Any) -> dict[str, Any]:
    """A run in its third round of ten."""
    found: dict[str, Any] = {
        "id": "r1",
        "name": "demo",
        "kind": "experiment",
        "seed": 1,
        "state": "running",
        "wait": "round 3: 1 of 4 in; waiting for node-2; closes in 19 s at the latest",
        "roster": ["node-1", "node-2"],
        "submitted_at": 100.0,
        "error": "",
        "error_code": "",
        "phase": "round",
        "detail": "",
        "round": 3,
        "rounds": 10,
        "history": [row(1, 0.9, ("node-1", "node-2")), row(2, 0.95, ("node-1",))],
        "twin": [],
        "dataset": "mnist",
        "bytes_up": 1_000_000,
        "bytes_down": 2_000_000,
        "elapsed_s": 12.0,
        "seconds_left": 8.0,
    }
    return found | changes


def picture(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "version": 7,
        "nodes": [node("node-1", "finish"), node("node-2", "training", 0.5), node("other")],
        "events": [
            {"at": 50.0, "run": "", "text": "node-1 joined"},
            {"at": 101.0, "run": "r1", "text": "run r1 begins with 2 nodes"},
            {"at": 102.0, "run": "r2", "text": "run r2 was submitted"},
        ],
    }
    return found | changes
