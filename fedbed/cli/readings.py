"""What a snapshot of the coordinator says, in the words and figures that people read. Pure.

Any part may be missing: a Flower app publishes less than an experiment, and an older coordinator
may lack a key.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fedbed.units import format_count, format_duration

Row = Mapping[str, Any]

ENDED = ("finished", "failed", "stopped")
BARS = "▁▂▃▄▅▆▇█"
_LOW_IS_GOOD = ("loss", "error", "perplexity", "mse", "mae", "rmse")
_RATIOS = ("accuracy", "precision", "recall", "f1", "auc", "iou", "dice")


def number(value: object) -> float | None:
    """Return a finite number as a float, anything else as None."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def mapping(value: object) -> Row:
    """Return `value` where it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def rows(value: object) -> list[Row]:
    """Return the mappings in a list; none where it is no list."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def metric_of(run: Row) -> str:
    """Return what the run is judged by, as far as it has reported any.

    That is mean IoU where pixels are classified, else accuracy, else the loss.
    """
    for metric in ("mean_iou", "accuracy", "loss"):
        if series(run.get("history"), metric) or series(run.get("twin"), metric):
            return metric
    return "accuracy"


def series(history: object, metric: str) -> list[float]:
    """Return the metric's value of each round that has one, in order."""
    found = []
    for row in rows(history):
        value = number(row.get(metric))
        if value is None:
            value = number(mapping(row.get("metrics")).get(metric))
        if value is not None:
            found.append(value)
    return found


def best(values: Sequence[float], metric: str) -> float:
    """Return the best of at least one value."""
    low = any(word in metric for word in _LOW_IS_GOOD)
    return min(values) if low else max(values)


def is_ratio(metric: str) -> bool:
    """Whether a metric of this name is a share of one, shown in per cent."""
    return any(word in metric for word in _RATIOS)


def score(value: object, metric: str) -> str:
    """Show a metric: '98.12 %' for shares of one, else four significant digits; '-' for none."""
    given = number(value)
    if given is None:
        return "-"
    if is_ratio(metric):
        return f"{given * 100:.2f} %"
    return f"{given:.4g}"


def difference(value: object, metric: str) -> str:
    """Show a difference of a metric: '0.68 points' for shares of one."""
    given = number(value)
    if given is None:
        return "-"
    return f"{given * 100:+.2f} points" if is_ratio(metric) else f"{given:+.4g}"


def sparkline(values: Iterable[float], width: int, least: float = 0.0) -> str:
    """Draw values as a row of bars, at most `width`: the newest ones, from lowest to highest.

    least: what the full height stands for at least, so that little noise stays little.
    """
    shown = list(values)[-width:] if width > 0 else []
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    span = max(high - low, least)
    low = (low + high - span) / 2
    top = len(BARS) - 1
    return "".join(BARS[round((v - low) / span * top) if span > 0 else top // 2] for v in shown)


def least_span(values: Sequence[float], metric: str) -> float:
    """Return the least that a curve's height stands for: 5 points, or a tenth of the values."""
    return 0.05 if is_ratio(metric) else 0.1 * max(map(abs, values), default=0.0)


def steps(run: Row) -> tuple[int, int]:
    """Return (done, all) of the steps of the phase that the run is in."""
    total = int(number(run.get("rounds")) or 0)
    part = "twin" if run.get("phase") == "twin" else "history"
    done = sum((number(row.get("round")) or 0) > 0 for row in rows(run.get(part)))
    if run.get("phase") in ("report", "finished"):
        done = total
    return min(done, total), total


def headline(run: Row) -> str:
    """Say where the run is: 'round 3 of 10', 'centralised twin, round 2 of 10', 'report'."""
    phase = str(run.get("phase") or run.get("state") or "queued")
    done, total = steps(run)
    current = min(done + 1, total) if total else done
    of = f" of {total}" if total else ""
    if phase == "round":
        now = int(number(run.get("round")) or current)
        return f"round {now}{of}"
    if phase == "twin":
        return f"centralised twin, round {current}{of}"
    word = "writing the report" if phase == "report" else phase
    detail = str(run.get("detail") or "")
    return f"{word}: {detail}" if detail and detail != word else word


def clock(run: Row) -> str:
    """Say how long the run has taken and still takes: '41 s, about 12 s left'."""
    elapsed, left = number(run.get("elapsed_s")), seconds_left(run)
    shown = "" if elapsed is None else format_duration(float(round(elapsed)))
    if left is not None and left >= 0.5 and run.get("state") not in ENDED:
        shown += f", about {format_duration(float(round(left)))} left"
    return shown


def seconds_left(run: Row) -> float | None:
    """Return an estimate for the whole run; None while nothing is known of it.

    The API's own is for the phase that the run is in. During the rounds this adds the centralised
    twin, where one is to come: in each of its steps it computes what all nodes did in a round.
    """
    left, phase = number(run.get("seconds_left")), run.get("phase")
    begins = phase == "twin" and not rows(run.get("twin"))
    if not begins and (left is None or phase != "round" or not run.get("twin_wanted")):
        return left
    work = [sum(_works(row)) for row in rows(run.get("history"))[-5:] if _works(row)]
    if not work:
        return left
    # The median, because the first round also warms caches and libraries up.
    return (left or 0.0) + statistics.median(work) * (number(run.get("rounds")) or 0.0)


def _works(row: Row) -> list[float]:
    """Return for how long each node of a round computed."""
    timelines = [mapping(node.get("timeline")) for node in rows(row.get("nodes"))]
    return [work for one in timelines if (work := number(one.get("work_s"))) is not None]


def last_seconds(run: Row) -> dict[str, float]:
    """Return how long each node took, by name, in the last round that it delivered for."""
    found: dict[str, float] = {}
    for row in rows(run.get("history"))[-5:]:
        took: dict[str, float] = {}
        for node in rows(row.get("nodes")):
            timeline = mapping(node.get("timeline"))
            spent = [number(timeline.get(key)) or 0.0 for key in _SPENT]
            total = sum(spent) + (number(node.get("upload_s")) or 0.0)
            if total > 0:
                # Virtual nodes take turns on theirs.
                name = str(node.get("host") or node.get("name"))
                took[name] = took.get(name, 0.0) + total
        found.update(took)
    return found


def virtual(run: Row) -> str:
    """Say on how many agents a run's virtual nodes take turns; empty where all are real."""
    nodes, agents = number(run.get("nodes")), number(run.get("agents"))
    if nodes is None or agents is None:
        return ""
    return f"{nodes:.0f} virtual nodes on {format_count(int(agents), 'agent')}"


_SPENT = ("download_s", "start_s", "decode_s", "work_s", "encode_s")


def nodes_of(run: Row, nodes: Iterable[Row]) -> list[Row]:
    """Return the nodes that take part in the run; all of them while it has none yet."""
    everyone = list(nodes)
    roster = set(run.get("roster") or ())
    return [n for n in everyone if n.get("name") in roster] if roster else everyone


def events_of(run_id: str, events: Iterable[Row]) -> list[Row]:
    """Return the events that concern a run: its own and those of nodes and coordinator."""
    return [event for event in events if event.get("run") in (run_id, "", None)]
