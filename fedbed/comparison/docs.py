"""Write the reference of the comparison file into docs/compare.md, between its two marks.

`python -m fedbed.comparison.docs` writes it; `--check` only exits 1 where it is stale.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence

from fedbed.comparison import tables
from fedbed.comparison.schema import Comparison
from fedbed.experiment.docs import key_table
from fedbed.experiment.generated import GeneratedPart


def reference() -> str:
    """Render the table of keys, and the columns of the tables."""
    return "\n".join(
        [
            "### Keys\n",
            key_table(Comparison, (), Comparison).replace("(#base)", "(experiment.md)"),
            "### Columns of comparison.csv\n",
            "```text",
            _columns(tables.comparison_csv),
            "```",
            "",
        ]
    )


def _columns(function: object) -> str:
    return inspect.cleandoc(getattr(function, "__doc__", "")).partition("Columns:\n")[2]


PART = GeneratedPart("compare.md", "fedbed.comparison.docs", reference)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page, or check it; returns the exit code."""
    return PART.main(str(__doc__), argv)


if __name__ == "__main__":
    sys.exit(main())
