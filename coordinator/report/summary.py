"""The head of the page: what was run, the verdict, and who ends better."""

from __future__ import annotations

from dataclasses import dataclass, field

from fedbed.reporting import wording
from fedbed.reporting.reading import Row, items, mapping, number, rounds, rows, text
from fedbed.reporting.wording import Shown

Fact = tuple[str, Shown | str]


@dataclass
class Tile:
    """A big number, what it is, and a small line below."""

    label: str
    figure: Shown
    kind: str = ""
    below: tuple[str, Shown] | None = None
    unit: str = ""


@dataclass
class Summary:
    """What the page begins with."""

    title: str
    id: str
    kind: str
    description: str
    facts: list[Fact] = field(default_factory=list)
    badge: tuple[str, str] | None = None
    """(style, words) of the verdict."""
    reasons: list[str] = field(default_factory=list)
    halted: str = ""
    error: str = ""
    tiles: list[Tile] = field(default_factory=list)
    winner: str = ""
    caveat: str = ""


def build(result: Row) -> Summary:
    """Gather the head of the page."""
    kind = "Flower app" if text(result.get("kind")) == "app" else "Experiment"
    said = mapping(result.get("verdict"))
    status = text(said.get("status"))
    winner = wording.winner(result)
    seed = wording.seed_of(result)
    return Summary(
        title=text(result.get("name")) or text(result.get("id")) or "Unnamed run",
        id=text(result.get("id")),
        kind=kind,
        description=text(result.get("description")),
        facts=_facts(result),
        badge=(("good" if status == "clean" else "warn"), _badge(said)) if status else None,
        reasons=[reason for reason in map(text, items(said.get("reasons"))) if reason],
        halted=_halted(result),
        error=text(result.get("error")),
        tiles=_tiles(result),
        winner=winner,
        caveat=f"One run, one seed{f' ({seed.text})' if seed else ''}: repeat it with other seeds "
        "before you conclude from a small gap."
        if winner
        else "",
    )


def _badge(verdict: Row) -> str:
    return " \u00b7 ".join(filter(None, (text(verdict.get("status")), text(verdict.get("note")))))


def _halted(result: Row) -> str:
    done, planned = number(result.get("rounds")), number(result.get("rounds_planned"))
    if done is None:
        done = len(rounds(result))
    of = f" of {planned}" if planned is not None else ""
    state = text(result.get("state"))
    target = mapping(result.get("target"))
    if target.get("stops") is True and number(target.get("round")) is not None:
        planned = None  # it ended where it was to end
    if state in ("", "finished"):
        if planned is None or done >= planned:
            return ""
        state = "ended"
    return f"The run {'was ' * (state == 'stopped')}{state} after {done}{of} rounds."


def _selection(result: Row) -> str:
    chosen = mapping(result.get("selection"))
    args = ", ".join(f"{key} {value}" for key, value in mapping(chosen.get("args")).items())
    name = text(chosen.get("name"))
    return f"{name} ({args})" if name and args else name


def _facts(result: Row) -> list[Fact]:
    partition = mapping(result.get("partition"))
    scheme, task = text(partition.get("scheme")), text(result.get("task"))
    args, task_args = _listed(partition.get("args")), _listed(result.get("task_args"))
    done, planned = number(result.get("rounds")), number(result.get("rounds_planned"))
    shown_rounds = text(done)
    if done is not None and planned is not None and planned != done:
        shown_rounds = f"{done} of {planned}"
    nodes = rows(result.get("nodes"))
    found: list[tuple[str, Shown | str | None]] = [
        ("task", f"{task} ({task_args})" if task and task_args else task),
        ("data set", text(result.get("dataset"))),
        ("partition", f"{scheme} ({args})" if scheme and args else scheme),
        ("nodes", text(mapping(result.get("virtual")).get("text")) or str(len(nodes) or "")),
        ("adversaries", text(mapping(result.get("adversaries")).get("text"))),
        ("stragglers", text(mapping(result.get("stragglers")).get("text"))),
        ("selection", _selection(result)),
        ("rounds", shown_rounds),
        ("target", text(mapping(result.get("target")).get("text"))),
        ("seed", text(result.get("seed")) if wording.seed_of(result) else ""),
        ("started", wording.moment(result.get("started_at"))),
        ("took", wording.seconds(result.get("wall_s"))),
    ]
    return [(label, value) for label, value in found if value]


def _listed(args: object) -> str:
    return ", ".join(f"{key} {value}" for key, value in mapping(args).items())


def _tiles(result: Row) -> list[Tile]:
    metric = wording.metric_of(result)
    final, best = mapping(result.get("final")), mapping(result.get("best"))
    tiles = []
    for side in ("federated", "centralised"):
        figure = wording.score(final.get(side), metric)
        highest = wording.score(best.get(side), metric)
        if figure:
            below = ("best of all rounds", highest) if highest else None
            tiles.append(Tile(f"{side} {wording.metric_name(metric)}", figure, side, below))
    gap = wording.points(result.get("gap"), metric)
    if gap:
        unit = "points" if wording.is_ratio(metric) else ""
        tiles.append(Tile("gap: centralised minus federated", gap, "gap", None, unit))
    return tiles
