"""Write the table of the agent's settings into docs/agent.md, between its two marks.

`python -m edge_agent.docs` writes it; `--check` only exits 1 where it is stale.
"""

from __future__ import annotations

import re
import sys
from typing import Optional, Sequence, Tuple

from edge_agent.config import DEFAULT_COORDINATOR, parser
from edge_agent.settings_file import Key, keys
from fedbed.experiment.generated import GeneratedPart

_OF_THE_MACHINE = {"coordinator": DEFAULT_COORDINATOR, "name": "the host's name"}
"""Defaults that the parser takes from where it runs."""
_DEFAULT = re.compile(r" \(default: ([^)]*)\)")


def reference() -> str:
    """Render each key of the file with its flag."""
    rows = ["| Key | Flag | Allowed | Default | Meaning |", "|---|---|---|---|---|"]
    for key in keys(parser()).values():
        default, meaning = _told(key)
        rows.append(f"| `{key.name}` | `{key.flag}` | {key.allowed} | {default} | {meaning} |")
    return "\n".join(rows) + "\n"


def _told(key: Key) -> Tuple[str, str]:
    """Return the default of a key and its meaning, out of the help of its flag."""
    own = _OF_THE_MACHINE.get(key.name, str(key.action.default))
    text = str(key.action.help).replace("%(default)s", own).replace("|", "\\|")
    found = _DEFAULT.search(text)
    default = found.group(1) if found else ""
    return default, _DEFAULT.sub("", text)


PART = GeneratedPart("agent.md", "edge_agent.docs", reference)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Write the page, or check it; returns the exit code."""
    return PART.main(str(__doc__), argv)


if __name__ == "__main__":
    sys.exit(main())
