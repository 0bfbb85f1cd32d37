"""Write Grafana's dashboards, alert rules and provisioning files, or look whether they are stale.

`python -m monitoring.dashboards` writes them to monitoring/grafana/; `--check` only exits 1 where
one is stale, missing or left over.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards import (
    communication,
    compare,
    containers,
    fleet,
    node,
    provisioning,
    run,
)

FOLDER = Path(__file__).resolve().parents[1] / "grafana"
_BOARDS = (fleet, node, run, compare, communication, containers)


def boards() -> list[Dashboard]:
    """Return all dashboards, in the order in which they link to each other."""
    return [module.build() for module in _BOARDS]


def files() -> dict[str, str]:
    """Return the contents of all generated files by their paths below monitoring/grafana/."""
    made = {f"provisioning/{path}": text for path, text in provisioning.files().items()}
    for board in boards():
        text = json.dumps(board, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False)
        made[f"dashboards/{str(board.uid).removeprefix('fedbed-')}.json"] = text + "\n"
    return made


def stale(made: dict[str, str]) -> list[Path]:
    """Return the files that aren't as they would be written, and dashboards that nobody writes."""
    differ = [FOLDER / path for path, text in made.items() if _read(FOLDER / path) != text]
    kept = sorted((FOLDER / "dashboards").glob("*.json"))
    return differ + [path for path in kept if str(path.relative_to(FOLDER)) not in made]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the files, or check them; returns the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    check = parser.parse_args(argv).check
    made = files()
    wrong = stale(made)
    for path in wrong:
        name = path.relative_to(FOLDER)
        if check:
            sys.stderr.write(f"monitoring/grafana/{name}: run python -m monitoring.dashboards\n")
        elif str(name) in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[str(name)], encoding="utf-8")
            sys.stdout.write(f"wrote monitoring/grafana/{name}\n")
        else:
            path.unlink()
            sys.stdout.write(f"removed monitoring/grafana/{name}\n")
    return 1 if check and wrong else 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main())
