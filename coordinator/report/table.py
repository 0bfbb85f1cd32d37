"""The result as one long table, for a spreadsheet or pandas."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from fedbed.reporting.reading import (
    Row,
    count,
    mapping,
    node_names,
    partition_of,
    rounds,
    rows,
    writable,
)

_ROUND = ("accuracy", "loss", "train_loss")
_COST = ("wall_s", "overhead_s", "evaluate_s", "aggregate_s", "bytes_up", "bytes_down")
_TIMELINE = ("wait_s", "download_s", "start_s", "decode_s", "work_s", "encode_s", "upload_s")
_NODE = (*_TIMELINE, "cpu_s", "peak_rss_bytes")
_HEAD = ("round", "series", "partition", *_ROUND, "asked", "participants", *_COST, *_NODE)


def metrics_csv(result: Mapping[str, Any]) -> str:
    """Return one row per round and series, with a head line; figures exactly as in the result.

    Columns:
        round: from 1.
        series: `federated` (the global model), `centralised` (the twin) or a node's name.
        partition: the node's partition; empty for `federated` and `centralised`.
        accuracy, loss, train_loss: of the global model or, in a node's row, as the node said.
        asked, participants: numbers of nodes (`federated` only).
        wall_s, overhead_s, evaluate_s, aggregate_s: seconds of the round.
        bytes_up, bytes_down: bytes from and to the nodes, or the one node.
        wait_s, download_s, start_s, decode_s, work_s, encode_s, upload_s: a node's timeline,
            in seconds.
        cpu_s, peak_rss_bytes: CPU seconds and peak memory of the node's worker, in bytes.
        target_reached: 1 from the first round on that reached the run's target, 0 before that
            (`federated` and `centralised`; the column is there for runs with a target alone).
        staleness: of an update, in versions of the model, or the mean over those of a version;
            there only where nodes didn't wait for each other.
        metric:NAME: any further metric of the round or node, one column for each name, sorted.

    An empty cell means that the result does not say. Lines end in a line feed.
    """
    table = [*_federated(result), *_twin(result)]
    _mark_target(table, mapping(result.get("target")))
    extras = sorted({key for row in table for key in row} - set(_HEAD))
    order = {"federated": 0, "centralised": 1}
    names = {key: place for place, key in enumerate(node_names(result), start=2)}

    def place(row: Row) -> tuple[int, int]:
        key = row.get("partition", "")
        return row["round"], names.get(key, 0) if "partition" in row else order[row["series"]]

    out = io.StringIO()
    writer = csv.DictWriter(out, [*_HEAD, *extras], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(table, key=place))
    return writable(out.getvalue())


def _federated(result: Row) -> list[dict[str, Any]]:
    names = node_names(result)
    table: list[dict[str, Any]] = []
    for index, row in rounds(result):
        first = len(table)
        line: dict[str, Any] = {"round": index, "series": "federated"}
        line |= _metrics(row) | _picked(row, (*_ROUND, *_COST, "staleness"))
        line |= {key: count(row.get(key)) for key in ("asked", "participants")}
        table.append(line)
        for node in rows(row.get("nodes")):
            key = partition_of(node)
            line = {"round": index, "series": _name(node, names), "partition": key}
            line |= _metrics(node) | _picked(mapping(node.get("timeline")), (*_NODE, "bytes_down"))
            line |= _picked(node, (*_ROUND, "bytes_up", "bytes_down", *_NODE, "staleness"))
            table.append(line)
        table += _tests(index, row, names, {line.get("partition"): line for line in table[first:]})
    return table


def _mark_target(table: list[dict[str, Any]], target: Row) -> None:
    if not _is_number(target.get("value")):
        return
    first = {"federated": target, "centralised": mapping(target.get("centralised"))}
    for line in table:
        if "partition" not in line:
            reached = first[line["series"]].get("round")
            line["target_reached"] = int(_is_number(reached) and line["round"] >= reached)


def _tests(
    index: int, row: Row, names: Mapping[str, str], trained: Mapping[object, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Add what nodes tested to their lines; return lines for those that tested only."""
    lines = []
    for node in rows(row.get("tests")):
        key = partition_of(node)
        line = trained.get(key)
        if line is None:
            line = {"round": index, "series": _name(node, names), "partition": key}
            lines.append(line)
        for name, value in _metrics(node).items():
            line.setdefault(name, value)
    return lines


def _name(node: Row, names: Mapping[str, str]) -> str:
    """Return a node's name in its row or, failing that, the one known for its partition."""
    given = node.get("name")
    return given if isinstance(given, str) and given else names[partition_of(node)]


def _twin(result: Row) -> list[dict[str, Any]]:
    return [
        {"round": index, "series": "centralised"}
        | _metrics(row)
        | _picked(row, (*_ROUND, "wall_s"))
        for index, row in rounds(result, "twin")
    ]


def _metrics(row: Row) -> dict[str, Any]:
    """Return a row's `metrics`: those that have a column of their own there, others prefixed."""
    found = {}
    for name, value in mapping(row.get("metrics")).items():
        if _is_number(value):
            found[name if name in _ROUND else f"metric:{name}"] = value
    return found


def _picked(row: Row, keys: Sequence[str]) -> dict[str, Any]:
    return {key: row[key] for key in keys if _is_number(row.get(key))}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
