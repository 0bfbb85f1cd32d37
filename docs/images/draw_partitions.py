"""Draw docs/images/partitions.svg: how six schemes divide the drawn digits among ten nodes.

`python docs/images/draw_partitions.py`, from the repository's root.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from fedbed import data
from fedbed.experiment.picture import Colours, Holding, paint

NODES = 10
SEED = 1
PANELS = (
    ("iid", {}),
    ("quantity", {"alpha": 0.5}),
    ("dirichlet", {"alpha": 0.5}),
    ("dirichlet", {"alpha": 0.1}),
    ("shards", {"shards_per_node": 2}),
    ("replicas", {}),
)


def main() -> None:
    """Draw it."""
    drawn = data.load("synthetic-digits")
    labels = drawn.train.labels
    whole = np.bincount(labels)
    with rc_context({"svg.hashsalt": "fedbed", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(11, 6.4), layout="constrained")
        for axes, (scheme, args) in zip(figure.subplots(2, 3).flat, PANELS):
            parts = data.plan(labels, NODES, scheme, SEED, **args)
            counts = data.class_counts(labels, parts, len(drawn.classes))
            held = [
                Holding(str(p), [int(n) for n in row], len(part))
                for p, (row, part) in enumerate(zip(counts, parts))
            ]
            paint(axes, held, drawn.classes, Colours("#1f5fbf", "#8a8f98", "#555555"))
            written = ", ".join(f"{key} {value}" for key, value in args.items())
            away = data.heterogeneity(counts, whole)
            title = f"{scheme}{f' ({written})' if written else ''}: heterogeneity {away:.2f}"
            axes.set_title(title, loc="left", fontsize=10)
        figure.savefig(
            Path(__file__).with_name("partitions.svg"), metadata={"Date": None}, facecolor="white"
        )


if __name__ == "__main__":
    main()
