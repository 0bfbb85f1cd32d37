"""Comparisons with made-up results."""

from __future__ import annotations

import random
from typing import Any

from fedbed.comparison.figures import Figures, Outcome, build
from fedbed.comparison.plan import Plan, Variant, run_name
from fedbed.experiment import from_data, override


def result(
    name: str, seed: int, final: float, twin: float | None, rounds: int = 8, **changes: Any
) -> dict[str, Any]:
    """What a run left: a curve that ends at `final`, beside a twin that ends at `twin`."""
    chance = random.Random(f"{name}{seed}")

    def curve(end: float) -> list[dict[str, Any]]:
        found = [
            {
                "round": index,
                "accuracy": end - 0.25 / index**1.5 + 0.25 / rounds**1.5 + chance.gauss(0, 0.002),
                "loss": 1.0 / index,
            }
            for index in range(1, rounds + 1)
        ]
        found[-1]["accuracy"] = end
        return found

    central = [] if twin is None else curve(twin)
    return {
        "id": f"20260101-000000-{name.replace(' ', '-')}-{seed}",
        "state": "finished",
        "metric": "accuracy",
        "final": {"federated": final, "centralised": twin},
        "history": curve(final),
        "twin": central,
        "rounds": rounds,
        "bytes_up": 1_234_567,
        "bytes_down": 2_345_678,
        "federated_s": 12.0,
        "twin_s": 3.0,
        "wall_s": 16.0,
        "verdict": {"status": "clean", "reasons": []},
        "twin_reused_of": None,
        "versions": {"fedbed": "0.1.0"},
        **changes,
    }


def plan(names: tuple[str, ...], seeds: tuple[int, ...] = (1, 2, 3), reference: str = "") -> Plan:
    base = from_data({"name": "base", "task": "mnist_softmax"}, "test")
    variants = tuple(
        Variant(
            name,
            override(base, [f"federation.nodes={place + 1}"]).model_copy(
                update={"name": run_name("study", name), "seeds": seeds}
            ),
            seeds,
        )
        for place, name in enumerate(names)
    )
    return Plan("study", variants, "Made up.", reference, {"name": "study"})


def figures(
    names: tuple[str, ...] = ("iid", "two classes each"),
    seeds: tuple[int, ...] = (1, 2, 3),
    reference: str = "",
    step: float = 0.012,
) -> Figures:
    """Every variant `step` below the one before, all with the same twins."""
    wanted = plan(names, seeds, reference)
    outcomes = []
    for cell in wanted.cells("here"):
        place = names.index(cell.variant.name)
        noise = random.Random(f"{place} {cell.seed}").gauss(0, 0.004)
        twin = 0.94 + 0.001 * cell.seed
        found = result(cell.variant.name, cell.seed, twin - step * place + noise, twin)
        found["twin"] = result("twin", cell.seed, 0.0, twin)["twin"]
        outcomes.append(Outcome(cell, found))
    return build(wanted, outcomes)


def aiming(*crossings: float | None) -> Figures:
    """Return the figures of one variant whose runs cross their target after so many rounds."""
    planned = plan(("a",), tuple(range(len(crossings))))
    outcomes = []
    for cell, crossing in zip(planned.cells("here"), crossings, strict=True):
        spent = None if crossing is None else 2 * crossing
        target = {"value": 0.9, "round": crossing, "crossing": crossing, "seconds": spent}
        found = result("a", cell.seed, 0.95, None, target=target)
        outcomes.append(Outcome(cell, found))
    return build(planned, outcomes)
