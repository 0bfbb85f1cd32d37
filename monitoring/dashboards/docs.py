"""Write what each panel answers, and what each alert is about, into docs/monitoring.md.

`python -m monitoring.dashboards.docs` writes it; `--check` only exits 1 where it is stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence

from grafana_foundation_sdk.models.dashboard import Dashboard, RowPanel

from fedbed.experiment.generated import GeneratedPart
from monitoring.dashboards.__main__ import boards
from monitoring.dashboards.alerts import RULES


def reference() -> str:
    """Render a table of panels for each dashboard, and one of alerts."""
    parts = ["## What each panel answers", ""]
    for board in boards():
        parts += [f"### {board.title}", "", f"{board.description}", ""]
        parts += ["| Panel | Answers |", "|---|---|", *_panels(board), ""]
    parts += ["## What each alert is about", ""]
    parts += ["| Alert | Fires when | For | Says |", "|---|---|---|---|"]
    for rule in RULES:
        cells = (f"{rule.title} ({rule.severity})", rule.when, rule.lasting, _plain(rule.summary))
        parts.append(f"| {' | '.join(cells)} |")
    return "\n".join([*parts, ""])


def _panels(board: Dashboard) -> Iterator[str]:
    for panel in board.panels or []:
        if isinstance(panel, RowPanel):
            yield f"| **{panel.title}** | |"
        else:
            yield f"| {panel.title} | {panel.description} |"


def _plain(summary: str) -> str:
    """Return a summary with NODE, RUN and the like where the alert names one."""
    return re.sub(r"{{ \.Labels\.(\w+) }}", lambda found: found[1].upper(), summary)


PART = GeneratedPart("monitoring.md", "monitoring.dashboards.docs", reference)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page, or check it; returns the exit code."""
    return PART.main(str(__doc__), argv)


if __name__ == "__main__":
    sys.exit(main())
