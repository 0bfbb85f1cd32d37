"""The sections on what the run stood on: data, nodes, experiment file, versions."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from coordinator.report import holdings
from coordinator.report.holdings import Holdings
from coordinator.report.summary import Fact
from fedbed.reporting import wording
from fedbed.reporting.reading import (
    Row,
    mapping,
    measured,
    node_names,
    number,
    partition_of,
    rounds,
    rows,
    text,
)
from fedbed.reporting.wording import Shown


@dataclass
class Setup:
    """Everything below the rounds."""

    holdings: Holdings | None = None
    node_heads: list[str] = field(default_factory=list)
    node_lines: list[list[Shown | str]] = field(default_factory=list)
    packages: list[Fact] = field(default_factory=list)
    experiment: str = ""
    download: str = ""
    """The experiment file as a data: address."""
    versions: list[Fact] = field(default_factory=list)


def build(result: Row) -> Setup:
    """Gather what the run stood on."""
    heads, lines = _nodes(result)
    given = result.get("experiment")
    experiment = given if isinstance(given, str) and given.strip() else ""
    return Setup(
        holdings=holdings.build(result),
        node_heads=heads,
        node_lines=lines,
        packages=_packages(result),
        experiment=experiment,
        # A lone surrogate can't be written as UTF-8.
        download="data:text/yaml;charset=utf-8," + quote(experiment, errors="replace")
        if experiment
        else "",
        versions=_versions(result),
    )


def _nodes(result: Row) -> tuple[list[str], list[list[Shown | str]]]:
    names = node_names(result)
    metric = wording.metric_of(result)
    tests = {
        partition_of(row): wording.score(measured(row, metric), metric)
        for _, entry in rounds(result)
        for row in rows(entry.get("tests"))
    }
    table: list[dict[str, Shown | str | None]] = []
    for played in _real_nodes(result):
        row = played[0]
        profile, agent = mapping(row.get("profile")), mapping(row.get("agent"))
        adversaries = [kind for each in played if (kind := text(each.get("adversary")))]
        times = f"{len(adversaries)} of them " if len(played) > 1 else ""
        table.append(
            {
                "node": text(row.get("host")) or names[partition_of(row)],
                "plays": wording.plain(len(played)) if text(row.get("host")) else None,
                "adversary": f"{times}{adversaries[0]}" if adversaries else "",
                "slowed": f"{slowed:g} times" if (slowed := number(row.get("slowed"))) else "",
                "machine": text(profile.get("machine")),
                "system": text(profile.get("system")),
                "cores": wording.plain(profile.get("cpus")),
                "memory": wording.size(profile.get("memory_bytes")),
                "python": text(profile.get("python")),
                "train samples": wording.plain(_total(played, "train_samples")),
                "test samples": wording.plain(_total(played, "test_samples") or None),
                f"{wording.metric_name(metric)}, last test": tests.get(partition_of(row))
                if len(played) == 1
                else None,
                "agent's memory": wording.size(agent.get("rss_bytes")),
                "agent's CPU": wording.share_of_core(agent),
            }
        )
    heads = [head for head in (table[0] if table else ()) if any(line[head] for line in table)]
    return heads, [[line[head] or "" for head in heads] for line in table]


def _real_nodes(result: Row) -> list[list[Row]]:
    """Return the nodes' rows in order: each by itself, the virtual ones of a real node together."""
    found: dict[tuple[str, int], list[Row]] = {}
    for place, row in enumerate(rows(result.get("nodes"))):
        host = text(row.get("host"))
        found.setdefault((host, 0 if host else place), []).append(row)
    return list(found.values())


def _total(played: list[Row], key: str) -> float | int | None:
    counts = [count for row in played if (count := number(row.get(key))) is not None]
    return sum(counts) if counts else None


def _packages(result: Row) -> list[Fact]:
    """Return the agent and packages: the versions of each, in how many nodes where they differ."""
    found: dict[str, dict[str, int]] = {}
    for row in (played[0] for played in _real_nodes(result)):
        profile = mapping(row.get("profile"))
        agent = {"fedbed agent": profile["agent"]} if text(profile.get("agent")) else {}
        for name, version in {**agent, **mapping(profile.get("packages"))}.items():
            seen = found.setdefault(str(name), {})
            seen[text(version)] = seen.get(text(version), 0) + 1
    return [
        (
            name,
            next(iter(seen))
            if len(seen) == 1
            else ", ".join(f"{version} ({nodes})" for version, nodes in sorted(seen.items())),
        )
        for name, seen in sorted(found.items())
    ]


def _versions(result: Row) -> list[Fact]:
    machine = mapping(result.get("machine"))
    found: list[tuple[str, Shown | str | None]] = [
        (str(name), text(version)) for name, version in mapping(result.get("versions")).items()
    ]
    found += [
        ("commit", text(result.get("commit"))),
        ("coordinator's system", text(machine.get("system"))),
        ("coordinator's cores", wording.plain(machine.get("cpus"))),
        ("coordinator's memory", wording.size(machine.get("memory_bytes"))),
        ("run", text(result.get("id"))),
    ]
    return [(label, value) for label, value in found if value]
