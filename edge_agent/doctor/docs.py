"""Write the table of all checks into docs/doctor.md, between its two marks.

`python -m edge_agent.doctor.docs` writes it; `--check` only exits 1 where it is stale.
"""

from __future__ import annotations

import sys
from typing import Optional, Sequence

from edge_agent.doctor.check import Check
from edge_agent.doctor.examination import checks
from fedbed.experiment.generated import GeneratedPart


def reference() -> str:
    """Render a row for each check."""
    titles = ("Check", "Warns when", "Fails when", "Why it matters", "What mends it", "Source")
    rows = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    return "\n".join([*rows, *map(_row, checks())]) + "\n"


def _row(check: Check) -> str:
    cells = [f"`{check.name}`", check.warns or "-", check.fails or "-", check.why]
    cells += [_mend(check.mend), check.source or "-"]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _mend(text: str) -> str:
    """Set a command as one; what people have to do themselves has no words of a shell."""
    command, comment, rest = text.partition("   # ")
    first = command.split(" ", 1)[0]
    if first not in ("sudo", "fedbed", "pip", "AGENT_PYTHON", "WORKER_PYTHON"):
        return text
    return f"`{command}`" + (f" ({rest})" if comment else "")


PART = GeneratedPart("doctor.md", "edge_agent.doctor.docs", reference)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Write the page, or check it; returns the exit code."""
    return PART.main(str(__doc__), argv)


if __name__ == "__main__":
    sys.exit(main())
