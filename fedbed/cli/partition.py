"""`fedbed partition`: who would hold which samples, without any training."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.text import Text

from fedbed.cli import listing, readings, targets
from fedbed.experiment import picture
from fedbed.experiment.division import Division
from fedbed.experiment.picture import Holding

_BARS_SHOWN = 40
"""Up to so many classes, each node's mix is drawn in characters."""


def partition(args: argparse.Namespace) -> int:
    """Divide the data as a run would; print it and draw it where that is asked for."""
    stream = sys.stderr if args.json else sys.stdout

    def say(text: str) -> None:
        stream.write(text + "\n")

    wanted = targets.with_data(
        targets.load_experiment(args.experiment, args.assignments, args.nodes), say
    )
    seed = wanted.seeds[0] if args.seed is None else args.seed
    division = Division(wanted, seed)
    if division.whole is None:
        say("nodes bring data of their own (data.delivery: node): there is nothing to divide")
        return 0
    said = division.describe()
    classes = division.whole.classes
    counts = [[int(n) for n in row] for row in division.counts]
    if args.json:
        whole = {**said, "dataset": division.name, "seed": seed, "classes": list(classes)}
        print(json.dumps({**whole, "class_counts": counts}, indent=2))
    else:
        titles = ("partition", "samples", *(("groups",) if "groups" in said else ()), "classes")
        listing.show(titles, _rows(said, counts), whole=titles)
        for line in _facts(division.name, seed, said, classes):
            print(line)
    if args.output is not None:
        sizes = said["train_sizes"]
        held = [Holding(str(p), row, sizes[p]) for p, row in enumerate(counts)]
        title = f"{wanted.name}: {division.name}, {_scheme(said)}, seed {seed}"
        picture.save(args.output, held, classes, title)
        say(f"drawn in {args.output}")
    return 0


def _rows(said: dict[str, Any], counts: Sequence[Sequence[int]]) -> list[list[Text]]:
    table = []
    for place, (size, row) in enumerate(zip(said["train_sizes"], counts, strict=True)):
        cells = [str(place), str(size)]
        if "groups" in said:
            cells.append(str(said["groups"][place]))
        table.append([*map(Text, cells), Text(_mix(row))])
    return table


def _mix(counts: Sequence[int]) -> str:
    """Draw the shares of a node's classes; where there are many, say how many it has."""
    if len(counts) > _BARS_SHOWN:
        return f"{sum(count > 0 for count in counts)} of {len(counts)}"
    most = max(counts, default=0)
    top = len(readings.BARS) - 1
    return "".join(
        readings.BARS[round(count / most * top)] if count else "\u00b7" for count in counts
    )


def _facts(name: str, seed: int, said: dict[str, Any], classes: Sequence[str]) -> list[str]:
    sizes = sorted(said["train_sizes"])
    middle = sizes[len(sizes) // 2]
    shown = ", ".join(classes[:_BARS_SHOWN]) + (", ..." if len(classes) > _BARS_SHOWN else "")
    away = said["heterogeneity"]
    facts = [
        ("data", f"{name}, {_scheme(said)}, seed {seed}"),
        ("classes", shown + (", by pixels" if said["unit"] == "pixels" else "")),
        ("sizes", f"{sizes[0]} to {sizes[-1]} samples, median {middle}"),
        ("mix", f"heterogeneity {away:.3f}: {picture.meaning(away, said['unit'])}"),
        ("hash", said["hash"]),
    ]
    if said["overlapping"]:
        facts.append(("overlap", "every node has all the samples, in an order of its own"))
    return [f"{label:<10} {text}" for label, text in facts]


def _scheme(said: dict[str, Any]) -> str:
    args = ", ".join(f"{key} {value}" for key, value in said["args"].items())
    return f"{said['scheme']} ({args})" if args else str(said["scheme"])
