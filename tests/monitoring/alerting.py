"""Alert rules as Grafana would judge them: from the file, at a moment of the tests' choice."""

from __future__ import annotations

import operator
import re
from typing import Any

import yaml

from monitoring.dashboards.__main__ import FOLDER
from tests.influx import Influx

_FILE = FOLDER / "provisioning/alerting/rules.yml"
RULES: list[dict[str, Any]] = yaml.safe_load(_FILE.read_text())["groups"][0]["rules"]
_LABELS = ("node", "run", "sensor")


def fires(rule: dict[str, Any], database: Influx, at_ns: int) -> bool:
    """Whether a rule fires at a moment, to which the future is empty; each must say of whom."""
    query, reduce, threshold = (step["model"] for step in rule["data"])
    steps = reduce["reducer"], reduce["expression"], threshold["expression"]
    assert steps == ("last", "A", "B")
    series: dict[tuple[object, ...], list[Any]] = {}
    for row in database.query(_at(at_ns, query["query"])):
        labels = tuple(v for k, v in sorted(row.items()) if k in _LABELS)
        (value,) = (v for k, v in row.items() if k not in ("time", *_LABELS))
        series.setdefault(labels, []).append(value)
    (condition,) = threshold["conditions"]
    limit = condition["evaluator"]["params"][0]
    is_beyond = {"gt": operator.gt, "lt": operator.lt}[condition["evaluator"]["type"]]
    beyond = any(is_beyond(values[-1], limit) for values in series.values())
    return beyond or (not series and rule["noDataState"] == "Alerting")


def _at(at_ns: int, query: str) -> str:
    now = f"{at_ns}ns"
    return re.sub(r"time > now\(\) - (\w+)", rf"time > {now} - \1 AND time <= {now}", query)
