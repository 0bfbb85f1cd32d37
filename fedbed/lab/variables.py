"""Write the table of all inventory variables into ansible/README.md, between its two marks.

`python -m fedbed.lab.variables` writes it; `--check` only exits 1 where it is stale.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from fedbed.experiment.generated import GeneratedPart

ROLES = Path(__file__).parents[2] / "ansible" / "roles"
ORDER = ("agent", "centre", "wheels", "base", "raspberry_pi", "jetson", "docker", "telegraf")
"""As a reader meets them; the coordinator's come last."""


def specs(role: str) -> tuple[str, dict[str, dict[str, Any]], dict[str, Any]]:
    """Return what a role is for, its variables as described, and their defaults."""
    described = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text())
    (entry,) = described["argument_specs"].values()
    defaults = yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text())
    return entry["short_description"], entry["options"], defaults


def reference() -> str:
    """Render a table for each role that has variables."""
    parts = []
    for role in (*ORDER, "coordinator"):
        title, options, defaults = specs(role)
        parts += [f"### {title}\n", "| Variable | Default | What it is |", "|---|---|---|"]
        for name, option in options.items():
            what = option["description"].strip()
            if "choices" in option:
                what += f" One of {', '.join(option['choices'])}."
            parts.append(f"| `{name}` | {_shown(defaults[name])} | {what} |")
        parts.append("")
    return "\n".join(parts)


def _shown(value: Any) -> str:
    if value in ("", [], {}):
        return "empty"
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`".replace("|", "\\|")


PART = GeneratedPart("../ansible/README.md", "fedbed.lab.variables", reference)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page, or check it; returns the exit code."""
    return PART.main(str(__doc__), argv)


if __name__ == "__main__":
    sys.exit(main())
