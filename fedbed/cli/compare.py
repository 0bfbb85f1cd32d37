"""`fedbed compare`: variants over seeds, each beside its centralised twin."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from rich.console import Console

from fedbed import experiment
from fedbed.cli import compared, results, targets
from fedbed.cli.connection import connect_if_named
from fedbed.cli.session import Session, session
from fedbed.comparison import store as stores
from fedbed.comparison.carrying import carry_out
from fedbed.comparison.figures import Figures
from fedbed.comparison.files import Results
from fedbed.comparison.load import plan_of
from fedbed.comparison.plan import Cell, Plan
from fedbed.comparison.schedule import seconds_left
from fedbed.comparison.store import Store
from fedbed.comparison.tables import data
from fedbed.errors import Interrupted, RunFailed
from fedbed.units import format_count, format_duration


def compare(args: argparse.Namespace) -> int:
    """Run what isn't done yet of a comparison and report it; returns the exit code.

    Whatever breaks it off, what is done is reported, and the same command goes on. RunFailed in
    the end if a run has failed.
    """
    stream = sys.stderr if args.json else sys.stdout

    def say(text: str) -> None:
        stream.write(text + "\n")
        stream.flush()

    plan = _plan(args, say)
    store = Store(args.output / f"compare-{plan.name}")
    cells = plan.cells(stores.ground(args.coordinator))
    only = {plan.variant(name).name for name in args.only}
    wanted = [cell for cell in cells if not only or cell.variant.name in only]
    if args.dry_run:
        _tell(plan, wanted, store, args.json, args.fresh)
        return 0
    results.prepare(args.output)
    with store.locked():
        if args.fresh:
            for cell in wanted:
                store.forget(cell)
        gathered = Results(plan, cells, store)
        figures = _carry_out(args, wanted, store, gathered, stream)
    if args.json:
        print(json.dumps(data(figures, store.folder.name), indent=2))
    else:
        compared.show(figures, store.folder, Console())
    failed = figures.failed
    if failed:
        name, seed, why = failed[0]
        raise RunFailed(
            f"{len(failed)} of {format_count(figures.planned, 'run')} failed, the first of them "
            f"{name}, seed {seed}: {why} (the same command tries them again)"
        )
    return 0


def _plan(args: argparse.Namespace, say: targets.Say) -> Plan:
    settings = list(args.assignments)
    if args.nodes is not None:
        settings.append(f"federation.nodes={args.nodes}")
    plan = plan_of(args.experiments, settings)
    if args.seeds:
        plan = plan.with_seeds(args.seeds)
    if args.coordinator is not None:
        return plan
    # Asked once for each data set: 'auto' may mean a download, and checking takes its time.
    known: dict[tuple[str, str], str] = {}
    found = []
    for variant in plan.variants:
        one = variant.experiment
        asked = (one.data.dataset, one.data.delivery)
        if asked not in known:
            known[asked] = targets.with_data(one, say).data.dataset
        chosen = known[asked]
        same = chosen == one.data.dataset
        found.append(one if same else experiment.override(one, [f"data.dataset={chosen}"]))
    return plan.with_experiments(found)


def _carry_out(
    args: argparse.Namespace,
    cells: Sequence[Cell],
    store: Store,
    gathered: Results,
    stream: TextIO,
) -> Figures:
    """Run the cells that are not done, and write what there is whatever happens."""
    waiting = [cell for cell in cells if store.finished(cell) is None]
    if len(waiting) < len(cells):
        stream.write(
            f"{len(cells) - len(waiting)} of {format_count(len(cells), 'run')} are done already\n"
        )
        stream.flush()
    if not waiting:
        return gathered.write_all()
    nodes = max(_target(cell).nodes for cell in waiting)
    there = connect_if_named(args)
    try:
        with session(there, nodes, store.runs, args.plain, stream, store.twins) as here:
            carry_out(cells, store, _runner(here), _after(here, len(cells), gathered))
    except (Interrupted, KeyboardInterrupt) as error:
        figures = gathered.write_all()
        why = str(error) or "interrupted"
        raise Interrupted(
            f"{why}; {figures.runs} of {format_count(figures.planned, 'run')} are done, and the "
            f"same command goes on from there; the report so far: {store.folder / 'report.html'}"
        ) from None
    except BaseException:
        gathered.write_all()
        raise
    return gathered.write_all()


def _target(cell: Cell) -> targets.Target:
    wanted = cell.variant.experiment
    return targets.of_experiment(wanted, cell.seed, twin=wanted.centralised.enabled)


def _runner(here: Session) -> Callable[..., dict[str, Any]]:
    def run(cell: Cell, heading: Callable[[float | None], str]) -> dict[str, Any]:
        return here.run(_target(cell), heading).result

    return run


def _after(here: Session, total: int, gathered: Results) -> Callable[..., None]:
    def after(cell: Cell, number: int, seconds: float, error: str) -> None:
        gathered.write_after(seconds)
        words = [f"{number} of {total}: {cell.title}"]
        words.append(f"FAILED: {error}" if error else f"done in {format_duration(seconds)}")
        here.say(", ".join(words))

    return after


def _tell(plan: Plan, cells: Sequence[Cell], store: Store, as_json: bool, fresh: bool) -> None:
    """Print what would be run, and how long it would take as far as that is known."""
    took: dict[str, list[float]] = {}
    told = []
    for cell in cells:
        record = store.record(cell)
        state = "to run" if record is None else record.state
        if store.finished(cell) is not None and record is not None:
            took.setdefault(cell.variant.name, []).append(record.seconds)
            state = "to run again" if fresh else "done"
        elif record is not None:
            state = "failed, to run again"
        told.append((cell, state))
    waiting = [cell.variant.name for cell, state in told if state != "done"]
    left = seconds_left(took, waiting)
    if as_json:
        listed = [{"variant": c.variant.name, "seed": c.seed, "state": s} for c, s in told]
        print(json.dumps({"name": plan.name, "runs": listed, "seconds_left": left}, indent=2))
        return
    for place, (cell, state) in enumerate(told, start=1):
        nodes = format_count(_target(cell).nodes, "node")
        print(f"{place:>4}  {cell.title}  ({nodes}): {state}")
    about = "not known before a run is done" if left is None else f"about {_rounded(left)}"
    print(f"{format_count(len(waiting), 'run')} to go; time: {about}")


def _rounded(seconds: float) -> str:
    return format_duration(float(round(seconds)))
