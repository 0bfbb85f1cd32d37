"""`make bench`: runs the measurements, prints a table, writes `benchmarks/results/latest.json`."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from benchmarks import contact, idle, rounds
from fedbed import __version__

RESULTS = Path(__file__).parent / "results" / "latest.json"
MEASUREMENTS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "idle agent": idle.measure,
    "round overhead": rounds.measure,
    "lost nodes": contact.measure,
}


def main(chosen: list[str]) -> int:
    """Run the measurements whose names begin with one of `chosen`; all without any."""
    rows: list[dict[str, Any]] = []
    for name, measure in MEASUREMENTS.items():
        if chosen and not any(name.startswith(word) for word in chosen):
            continue
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += measure()
    for row in rows:
        goal = f"<= {row['goal']}" if row.get("goal") is not None else ""
        verdict = (
            "" if row.get("goal") is None else ("ok" if row["ours"] <= row["goal"] else "MISSED")
        )
        print(f"{row['what']:<62} {row['ours']:>10.4g} {row['unit']:<4} {goal:>9} {verdict}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(
        json.dumps(
            {
                "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "fedbed": __version__,
                "python": platform.python_version(),
                "machine": {
                    "cpus": psutil.cpu_count(),
                    "memory_bytes": psutil.virtual_memory().total,
                    "system": f"{platform.system()} {platform.machine()}",
                },
                "rows": rows,
            },
            indent=1,
        )
        + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
