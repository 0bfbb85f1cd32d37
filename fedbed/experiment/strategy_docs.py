"""The table of all strategies in docs/strategies.md, between its two marks.

`python -m fedbed.experiment.docs` writes it with the other pages that come from code.
"""

from __future__ import annotations

import inspect

from fedbed.experiment import strategies
from fedbed.experiment.generated import GeneratedPart

_EVERYWHERE = frozenset(
    {
        "fraction_train",
        "fraction_evaluate",
        "min_train_nodes",
        "min_evaluate_nodes",
        "min_available_nodes",
        "weighted_by_key",
        "arrayrecord_key",
        "configrecord_key",
        "num_sampled_clients",
    }
)
"""Said by other keys of the experiment file, or of no use in one."""


def reference() -> str:
    """Render the tables: Flower's strategies and ours, each with arguments and defaults."""
    parts = []
    for title, ours in (("Ours", True), ("Flower's", False)):
        rows = ["| Strategy | What it is | Arguments and their defaults |", "|---|---|---|"]
        for name in strategies.strategy_names():
            cls = strategies.strategy_class(name)
            if cls.__module__.startswith("fedbed.") == ours:
                what = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0]
                rows.append(f"| `{name}` | {_cell(what)} | {_arguments(name)} |")
        parts += [f"### {title}\n", *rows, ""]
    return "\n".join(parts)


def _arguments(name: str) -> str:
    shown = [
        f"`{key}: {text}`"
        for key, text in strategies.arguments(name).items()
        if key not in _EVERYWHERE
    ]
    return _cell(", ".join(shown)) or "none"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PART = GeneratedPart("strategies.md", "fedbed.experiment.docs", reference)
