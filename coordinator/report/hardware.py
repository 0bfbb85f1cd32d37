"""The section on what the run has cost its nodes' hardware."""

from __future__ import annotations

from dataclasses import dataclass, field

from fedbed.reporting import wording
from fedbed.reporting.reading import Row, items, mapping, number, rows, text
from fedbed.reporting.wording import Shown

_ABSENT = "\u2013"


@dataclass
class Hardware:
    """A table, and what there is to say of it."""

    heads: list[str] = field(default_factory=list)
    lines: list[list[Shown | str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    monitoring: str = ""


def build(result: Row) -> Hardware:
    """Gather the section; empty for results of before there was one."""
    section = mapping(result.get("hardware"))
    nodes = rows(section.get("nodes"))
    if not nodes:
        return Hardware(monitoring=_monitoring(result))
    table = [_line(node) for node in nodes]
    heads = [head for head in table[0] if any(line[head] for line in table)]
    return Hardware(
        heads=heads,
        lines=[[line[head] or _ABSENT for head in heads] for line in table],
        notes=_notes(section, nodes),
        monitoring=_monitoring(result),
    )


def _line(node: Row) -> dict[str, Shown | str | None]:
    energy = mapping(node.get("energy"))
    return {
        "node": text(node.get("name")),
        "CPU time": wording.seconds(node.get("cpu_s")),
        "peak memory": wording.size(number(node.get("peak_memory_bytes")) or None),
        "sent": wording.size(node.get("bytes_up")),
        "received": wording.size(node.get("bytes_down")),
        "mean CPU": wording.percent(node.get("cpu")),
        "hottest": wording.celsius(node.get("temperature")),
        "throttled": _throttled(mapping(node.get("throttling"))),
        "energy, measured": wording.energy(mapping(energy.get("measured")).get("joules")),
        "energy, modelled": wording.energy(mapping(energy.get("modelled")).get("joules")),
    }


def _throttled(found: Row) -> str:
    samples = number(found.get("samples"))
    if not samples:
        return ""
    said = [
        f"{name} in {count / samples:.0%}"
        for name in ("slowed", "undervoltage")
        if (count := number(found.get(name)))
    ]
    return ", ".join(said).replace("%", "\u202f%") or "never"


def _notes(section: Row, nodes: list[Row]) -> list[str]:
    notes = [
        "CPU time, peak memory and bytes are those of the nodes' work on results that count, as "
        "their workers measured them."
    ]
    why = text(section.get("without_samples"))
    missing = [text(node.get("name")) for node in nodes if not _has_samples(node)]
    if why:
        notes.append(
            f"CPU of the machine, temperature, throttling and energy are not known: {why}."
        )
    elif missing:
        notes.append(f"The database has no samples of {', '.join(missing)} over the run's time.")
    without = [text(node.get("name")) for node in nodes if not mapping(node.get("energy"))]
    if not why and without and len(missing) < len(nodes):
        notes.append(f"No energy is known of {', '.join(without)}: no probe told of any.")
    notes += [_of_energy(node) for node in nodes if mapping(node.get("energy"))]
    return notes


def _has_samples(node: Row) -> bool:
    return any(key in node for key in ("cpu", "temperature", "throttling", "energy"))


def _of_energy(node: Row) -> str:
    said = []
    for method, found in mapping(node.get("energy")).items():
        rails = [
            f"{rail} {shown.text}"
            for rail, joules in sorted(mapping(mapping(found).get("rails")).items())
            if (shown := wording.energy(joules)) is not None
        ]
        of = " and ".join(text(rail) for rail in items(mapping(found).get("of")))
        total = f"; counted: {of}" if of else "; not added up, for they may overlap"
        said.append(f"{method}: {', '.join(rails)}{total}")
    return f"Energy of {text(node.get('name'))} over the rounds, {'. '.join(said)}."


def _monitoring(result: Row) -> str:
    """Say in a line what sampling took, and the agents, of which it is a part."""
    agents = [mapping(node.get("agent")) for node in rows(result.get("nodes"))]
    share = _largest_share(agents, "cpu_s")
    memory = [held for a in agents if (held := number(a.get("rss_bytes")))]
    most = wording.size(max(memory, default=None))
    if not share or most is None:
        return ""
    sampling = _largest_share(agents, "monitoring_cpu_s")
    own = f"sampling and telling the broker took {sampling} of a core; " if sampling else ""
    return (
        f"Cost of monitoring: {own}an agent, all that it does besides training included, took "
        f"{share} of a core and {most.text} of memory at most."
    )


def _largest_share(agents: list[Row], of: str) -> str:
    """Return the largest share of a core that an agent took; empty where nobody told of any."""
    shares = [shown for a in agents if (shown := wording.share_of_core(a, of)) is not None]
    largest = max((float(shown.value) for shown in shares), default=0.0)
    return f"{largest:.2f}\u202f%" if largest else ""
