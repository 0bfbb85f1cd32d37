"""Write the reference of the scenario file into docs/chaos.md, between its two marks.

`python -m fedbed.chaos.docs` writes it; `--check` only exits 1 where it is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fedbed.chaos.scenario import RULES, Fault, Scenario
from fedbed.experiment.docs import key_table
from fedbed.experiment.generated import GeneratedPart


def reference() -> str:
    """Render the tables of keys, and of what each kind of fault takes."""
    rows = ["| `do` | `whom` | its own keys |", "|---|---|---|"]
    for kind, rule in RULES.items():
        keys = ", ".join(f"`{key}`" for key in rule.takes) or "none"
        rows.append(f"| `{kind}` | {', '.join(f'`{part}`' for part in rule.whom)} | {keys} |")
    return "\n".join(
        [
            "### Top level\n",
            key_table(Scenario, (), Scenario),
            "### experiment\n",
            "The keys of an [experiment file](experiment.md).\n",
            "### faults\n",
            key_table(Fault, ("faults", 0), Scenario),
            *rows,
            "",
        ]
    )


PART = GeneratedPart("chaos.md", "fedbed.chaos.docs", reference)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page, or check it; returns the exit code."""
    return PART.main(str(__doc__), argv)


if __name__ == "__main__":
    sys.exit(main())
