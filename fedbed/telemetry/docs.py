"""Write the table of all measurements into docs/monitoring.md, between its two marks.

`python -m fedbed.telemetry.docs` writes it; `--check` only exits 1 where it is stale.
"""

from __future__ import annotations

import sys
from typing import List, Optional, Sequence

from fedbed.experiment.generated import GeneratedPart
from fedbed.telemetry.definition import BROKER, COORDINATOR, MEASUREMENTS, NODE, Field, Measurement

_WRITERS = {
    NODE: "Written by each node",
    COORDINATOR: "Written by the coordinator",
    BROKER: "Told by the broker",
}


def reference() -> str:
    """Render each measurement with its tags and fields."""
    parts = ["## Every measurement", ""]
    for measurement in MEASUREMENTS:
        parts += _section(measurement)
    return "\n".join(parts)


def _section(measurement: Measurement) -> List[str]:
    tags = "; ".join(f"`{tag.name}`: {tag.meaning}" for tag in measurement.tags)
    return [
        f"### {measurement.name}",
        "",
        f"{measurement.meaning} {_WRITERS[measurement.source]}, {measurement.when}.",
        f"Tags: {tags or 'none'}.",
        "",
        "| Field | Type | Unit | Meaning |",
        "|---|---|---|---|",
        *(_row(field) for field in measurement.fields),
        "",
    ]


def _row(field: Field) -> str:
    kind = f"{field.type}, only grows" if field.is_counter else field.type
    meaning = field.meaning.replace("|", "\\|")
    return f"| `{field.name}` | {kind} | {field.unit} | {meaning} |"


PART = GeneratedPart("monitoring.md", "fedbed.telemetry.docs", reference)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Write the page, or check it; returns the exit code."""
    return PART.main(str(__doc__), argv)


if __name__ == "__main__":
    sys.exit(main())
