"""Alert rules: when somebody should look, and what they should do then.

Each asks one question of the last minute or so and fires for each node or run whose answer is
above a number. The form is that of Grafana's files for provisioning:
https://grafana.com/docs/grafana/v11.6/alerting/set-up/provision-alerting-resources/file-provisioning/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitoring.dashboards.board import FLEET, NODE, RUN_PAGE, Page
from monitoring.dashboards.limits import DISK, MEMORY, ROUND_AGE_S, TEMPERATURE
from monitoring.dashboards.queries import Above, recent
from monitoring.dashboards.target import SOURCE_UID

FOLDER = "fedbed"
_GROUP = "fleet and runs"
_EVERY = "30s"
_WINDOW_S = 600
"""Of data that Grafana says it asks for; the queries name their own, shorter time."""


@dataclass(frozen=True)
class Rule:
    """A reason to look. It fires once `query` has answered more than `above` for so long, or
    less than `below` where that is given.

    when: what `query` asks, in words.
    summary: one sentence that says what to do; labels stand in it as `{{ .Labels.node }}`, without
    a dollar, because files of alert rules replace what begins with one.
    silence: what to make of no answer: 'OK', or 'Alerting' where the silence is the fault.
    """

    name: str
    title: str
    when: str
    query: str
    lasting: str
    summary: str
    page: Page
    severity: str = "warning"
    above: float = 0
    below: float | None = None
    silence: str = "OK"

    @property
    def link(self) -> str:
        """Return the address of the dashboard that shows what it is about."""
        variable = {NODE.uid: "node", RUN_PAGE.uid: "run"}.get(self.page.uid)
        chosen = f"?var-{variable}={{{{ .Labels.{variable} }}}}" if variable else ""
        return f"/d/{self.page.uid}{chosen}"


RULES = (
    Rule(
        "node-offline",
        "Node offline",
        "the coordinator says that a node is out of contact",
        recent("fedbed_node", "count", "online", "30s", by=["node"], where={"online": False}),
        "1m",
        "{{ .Labels.node }} is out of contact: look at its power, its network and its agent, or "
        "strike it off with `fedbed nodes remove {{ .Labels.node }}`.",
        NODE,
        "critical",
    ),
    Rule(
        "node-hot",
        "Node hot",
        f"a sensor's mean over a minute is above {TEMPERATURE.bad:g} °C",
        recent("fedbed_temperature", "mean", "value", "1m", by=["node", "sensor"]),
        "1m",
        "{{ .Labels.node }} is too warm at {{ .Labels.sensor }}: give it air or a fan, or take "
        "load off it with `fedbed nodes drain {{ .Labels.node }}`.",
        NODE,
        above=TEMPERATURE.bad,
    ),
    Rule(
        "node-throttled",
        "Node throttled",
        "a Raspberry Pi's firmware says that it is throttled",
        recent(
            "fedbed_throttling", "count", "throttled", "1m", by=["node"], where={"throttled": True}
        ),
        "1m",
        "{{ .Labels.node }} slows itself down: cool it, and see whether its power supply gives "
        "enough.",
        NODE,
    ),
    Rule(
        "node-undervoltage",
        "Node gets too little voltage",
        "a Raspberry Pi's firmware says that the voltage is low",
        recent(
            "fedbed_throttling",
            "count",
            "undervoltage",
            "1m",
            by=["node"],
            where={"undervoltage": True},
        ),
        "1m",
        "{{ .Labels.node }} gets less than 4.63 V: change its power supply or its cable.",
        NODE,
    ),
    Rule(
        "disk-full",
        "Disk nearly full",
        f"more than {DISK.bad:g} % of the disk with the agent's state folder is taken",
        recent("fedbed_disk", "last", "used", "1m", by=["node"]),
        "1m",
        "The disk of {{ .Labels.node }} is nearly full: free some room before its updates stop "
        "fitting.",
        NODE,
        "critical",
        above=DISK.bad,
    ),
    Rule(
        "memory-full",
        "Memory nearly full",
        f"memory taken, as mean over a minute, is above {MEMORY.bad:g} %",
        recent("fedbed_memory", "mean", "used", "1m", by=["node"]),
        "2m",
        "The memory of {{ .Labels.node }} is nearly full: end what else runs on it, or give it a "
        "smaller batch size or model.",
        NODE,
        above=MEMORY.bad,
    ),
    Rule(
        "round-stalled",
        "Round stalled",
        f"the round under way of a running run is older than {ROUND_AGE_S / 60:g} minutes",
        recent("fedbed_run", "last", "round_age", "1m", by=["run"], where={"state": "running"}),
        "1m",
        "A round of {{ .Labels.run }} is older than half an hour: see in `fedbed runs show "
        "{{ .Labels.run }}` what it waits for.",
        RUN_PAGE,
        above=ROUND_AGE_S,
    ),
    Rule(
        "nobody-trains",
        "Nobody trains while a run waits",
        "a run is in the queue, and in a whole minute no node worked for any",
        recent(
            "fedbed_coordinator",
            "max",
            "nodes_training",
            "1m",
            where={"runs_waiting": Above(0)},
        ),
        "10m",
        "A run has waited for ten minutes and no node trains: see in `fedbed runs` what it waits "
        "for, and bring nodes up or resume drained ones.",
        FLEET,
        below=1,
    ),
    Rule(
        "coordinator-silent",
        "Coordinator silent",
        "not one point of the coordinator has come in a minute",
        recent("fedbed_coordinator", "count", "memory", "1m"),
        "1m",
        "The coordinator tells nothing any more, so that no other alert can be trusted: see with "
        "`docker compose ps` whether it and InfluxDB run.",
        FLEET,
        "critical",
        below=1,
        silence="Alerting",
    ),
)


def provisioned() -> dict[str, object]:
    """Return the file of rules."""
    group = {
        "orgId": 1,
        "name": _GROUP,
        "folder": FOLDER,
        "interval": _EVERY,
        "rules": [_rule(rule) for rule in RULES],
    }
    return {"apiVersion": 1, "groups": [group]}


def _rule(rule: Rule) -> dict[str, object]:
    """Return a rule: its query, the last of what that answers, and whether it is beyond."""
    limit = rule.above if rule.below is None else rule.below
    evaluator = {"type": "gt" if rule.below is None else "lt", "params": [limit]}
    asked = {"refId": "A", "query": rule.query, "rawQuery": True, "resultFormat": "time_series"}
    reduced = {"refId": "B", "type": "reduce", "expression": "A", "reducer": "last"}
    judged = {
        "refId": "C",
        "type": "threshold",
        "expression": "B",
        "conditions": [{"evaluator": evaluator}],
    }
    return {
        "uid": f"fedbed-{rule.name}",
        "title": rule.title,
        "condition": "C",
        "data": [
            _step("A", SOURCE_UID, asked),
            _step("B", "__expr__", reduced),
            _step("C", "__expr__", judged),
        ],
        "for": rule.lasting,
        "noDataState": rule.silence,
        "execErrState": "Error",
        "annotations": {"summary": rule.summary, "dashboard": rule.link},
        "labels": {"severity": rule.severity},
        "isPaused": False,
    }


def _step(ref: str, source: str, model: Mapping[str, object]) -> dict[str, object]:
    return {
        "refId": ref,
        "relativeTimeRange": {"from": _WINDOW_S, "to": 0},
        "datasourceUid": source,
        "model": model,
    }
