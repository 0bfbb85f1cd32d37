"""Each alert rule fires for what it is for, and for nothing else, on the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedbed.telemetry.definition import faults
from fedbed.telemetry.point import Point, Value
from monitoring.dashboards.__main__ import FOLDER
from tests.influx import Influx, influx
from tests.monitoring.alerting import RULES, fires

NODE, RUN = {"node": "node-1"}, {"run": "a-run"}
HEALTHY: dict[str, tuple[dict[str, str], dict[str, Value]]] = {
    "fedbed_node": (NODE, {"online": True, "training": True, "state": "training"}),
    "fedbed_temperature": ({**NODE, "sensor": "cpu"}, {"value": 60.0}),
    "fedbed_throttling": (NODE, {"throttled": False, "undervoltage": False}),
    "fedbed_disk": (NODE, {"used": 50.0}),
    "fedbed_memory": (NODE, {"used": 60.0}),
    "fedbed_run": (RUN, {"state": "running", "round_age": 20.0}),
    "fedbed_coordinator": ({}, {"memory": 10**8, "runs_waiting": 1, "nodes_training": 1}),
}
TROUBLE: dict[str, dict[str, dict[str, Value]]] = {
    "nothing": {},
    "node-offline": {"fedbed_node": {"online": False, "training": False, "state": "offline"}},
    "node-hot": {"fedbed_temperature": {"value": 81.0}},
    "node-throttled": {"fedbed_throttling": {"throttled": True}},
    "node-undervoltage": {"fedbed_throttling": {"undervoltage": True}},
    "disk-full": {"fedbed_disk": {"used": 90.5}},
    "memory-full": {"fedbed_memory": {"used": 93.0}},
    "round-stalled": {"fedbed_run": {"round_age": 1900.0}},
    "nobody-trains": {"fedbed_coordinator": {"nodes_training": 0}},
    "coordinator-silent": {"fedbed_coordinator": {}},
}
PEACE: dict[str, dict[str, dict[str, Value]]] = {
    "nobody trains, but no run waits": {
        "fedbed_coordinator": {"nodes_training": 0, "runs_waiting": 0}
    },
    "a finished run's age means nothing": {
        "fedbed_run": {"state": "finished", "round_age": 9000.0}
    },
    "just at the limit": {"fedbed_disk": {"used": 90.0}, "fedbed_memory": {"used": 90.0}},
}
HOUR = 3600 * 10**9


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    """Each case has an hour of its own, and reports every 10 s up to its full minute."""
    with influx(tmp_path_factory.mktemp("influx")) as made:
        made.write("\n".join(point.line() for point in points()))
        yield made


def moment(case: str) -> int:
    return 1_700_000_000 * 10**9 + [*TROUBLE, *PEACE].index(case) * HOUR


def points() -> Iterator[Point]:
    for case, changed in {**TROUBLE, **PEACE}.items():
        for measurement, (tags, fields) in HEALTHY.items():
            if changed.get(measurement) == {}:
                continue
            said = {**fields, **changed.get(measurement, {})}
            assert faults(measurement, tags, dict(said)) == []
            for ago in range(0, 120, 10):
                yield Point(measurement, tags, said, moment(case) - ago * 10**9 - 1)


def firing(database: Influx, case: str) -> set[str]:
    """The rules that fire at a case's moment."""
    found = {rule["uid"] for rule in RULES if fires(rule, database, moment(case))}
    return {uid.removeprefix("fedbed-") for uid in found}


@pytest.mark.parametrize("case", TROUBLE)
def test_a_rule_fires_for_its_own_trouble(database: Influx, case: str) -> None:
    assert firing(database, case) == ({case} if case != "nothing" else set())


@pytest.mark.parametrize("case", PEACE)
def test_no_rule_fires_in_peace(database: Influx, case: str) -> None:
    assert firing(database, case) == set()


def test_every_rule_is_tried() -> None:
    assert {rule["uid"] for rule in RULES} == {f"fedbed-{case}" for case in TROUBLE} - {
        "fedbed-nothing"
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["uid"]))
def test_a_summary_is_a_sentence_that_says_what_to_do(rule: dict[str, Any]) -> None:
    summary = rule["annotations"]["summary"]
    assert summary.endswith(".") and ": " in summary
    assert ". " not in summary.replace(" .Labels", "").replace("4.63", "")


def test_nothing_in_the_file_is_taken_for_a_variable_of_the_environment() -> None:
    text = (FOLDER / "provisioning/alerting/rules.yml").read_text()
    assert "$" not in text


def test_the_data_sources_ask_with_the_token_of_the_environment() -> None:
    file = Path(FOLDER / "provisioning/datasources/influxdb.yml")
    sources = yaml.safe_load(file.read_text())["datasources"]
    databases = {source["uid"]: source["jsonData"]["dbName"] for source in sources}
    assert databases == {"fedbed": "fedbed", "fedbed-long": "fedbed_long"}
    assert [source["isDefault"] for source in sources] == [True, False]
    for source in sources:
        assert (source["type"], source["url"]) == ("influxdb", "http://influxdb:8086")
        assert source["jsonData"]["httpHeaderName1"] == "Authorization"
        assert source["secureJsonData"] == {"httpHeaderValue1": "Token $INFLUX_TOKEN"}
    asked = {step["datasourceUid"] for rule in RULES for step in rule["data"]}
    assert asked == {"fedbed", "__expr__"}
