"""What a run has cost its nodes' hardware, for result and report. Pure.

What timelines say is always there: it came with the results that count. The rest was measured by
probes beside the training, and is there where a database holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

METHODS = ("measured", "modelled")
"""How an energy became known; never mixed."""
NOT_CONFIGURED = "no InfluxDB is configured at the coordinator"
_WHOLE = ("plug", "psys", "VDD_IN", "POM_5V_IN", "in")
"""Rails that feed all of a machine, the outermost first."""
_PARTS = ("package", "dram", "gpu")
"""Beginnings of rails that don't overlap."""


def section(
    history: Iterable[Mapping[str, Any]],
    names: Iterable[str],
    found: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the section of a result.

    history: the rounds. names: of the (real) nodes, in order. found: what
    `coordinator.telemetry.samples` found; None where no database is configured.
    """
    rounds = list(history)
    measured = {} if found is None else found.get("nodes", {})
    why = NOT_CONFIGURED if found is None else str(found.get("error", ""))
    return {
        "nodes": [
            {"name": name, **_spent(rounds, name), **_probed(measured.get(name, {}))}
            for name in dict.fromkeys(names)
        ],
        "without_samples": why,
    }


def _spent(rounds: list[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Sum up what the timelines of a node say, of training and of tests."""
    rows = [
        row
        for entry in rounds
        for row in (*entry.get("nodes", ()), *entry.get("tests", ()))
        if (row.get("host") or row["name"]) == name and "timeline" in row
    ]
    timelines = [row["timeline"] for row in rows]
    return {
        "cpu_s": round(sum(float(each.get("cpu_s") or 0.0) for each in timelines), 4),
        "peak_memory_bytes": max((int(t.get("peak_rss_bytes") or 0) for t in timelines), default=0),
        "bytes_up": sum(int(row["bytes_up"]) for row in rows),
        "bytes_down": sum(int(each.get("bytes_down") or 0) for each in timelines),
    }


def _probed(known: Mapping[str, Any]) -> dict[str, Any]:
    energy = known.get("energy", {})
    return {
        **{
            key: known[key]
            for key in ("cpu", "samples", "temperature", "throttling")
            if key in known
        },
        **(
            {
                "energy": {
                    m: {**whole(energy[m]), "rails": energy[m]} for m in METHODS if m in energy
                }
            }
            if energy
            else {}
        ),
    }


def whole(rails: Mapping[str, float]) -> dict[str, Any]:
    """Return the joules of all of a machine, and the rails that they are `of`.

    Rails overlap: what a plug measures has passed all others, so it alone counts. Where no rail
    feeds all, processors, memory and graphics processors are added up. Of others it isn't known
    what flows where: there is no sum.
    """
    for name in _WHOLE:
        if name in rails:
            return {"joules": rails[name], "of": [name]}
    parts = [name for name in sorted(rails) if name.startswith(_PARTS)]
    if not parts and len(rails) == 1:
        parts = list(rails)
    return {"joules": sum(rails[name] for name in parts) if parts else None, "of": parts}
