"""The definition is consistent in itself, and says what isn't as it defines."""

from __future__ import annotations

import re

import pytest

from fedbed.telemetry.definition import MEASUREMENTS, by_name, faults


def test_names_are_unique_and_snake_case() -> None:
    assert len(by_name()) == len(MEASUREMENTS)
    for measurement in MEASUREMENTS:
        assert measurement.name.startswith("fedbed_")
        names = [tag.name for tag in measurement.tags] + [f.name for f in measurement.fields]
        # InfluxQL can't tell a tag from a field of the same name.
        assert len(set(names)) == len(names), measurement.name
        for name in [measurement.name, *names]:
            assert re.fullmatch(r"[a-z][a-z0-9_]*", name), name


def test_one_name_has_one_unit_and_one_type_within_a_measurement() -> None:
    for measurement in MEASUREMENTS:
        for field in measurement.fields:
            assert measurement.field(field.name) is field
            assert field.meaning
            assert not field.is_counter or field.type in ("integer", "float")


@pytest.mark.parametrize(
    ("name", "tags", "fields", "wanted"),
    [
        ("fedbed_cpu", {"node": "a"}, {"usage": 1.5, "cores": 4}, []),
        ("fedbed_cpu", {"node": "a"}, {}, ["fedbed_cpu has no fields"]),
        ("fedbed_cpu", {"run": "a"}, {"usage": 1.5}, ["fedbed_cpu has no tag 'run'"]),
        ("fedbed_cpu", {}, {"usage": 1}, ["fedbed_cpu.usage is int, not float"]),
        ("fedbed_cpu", {}, {"cores": True}, ["fedbed_cpu.cores is bool, not integer"]),
        ("fedbed_cpu", {}, {"heat": 1.0}, ["fedbed_cpu has no field 'heat'"]),
        ("cpu", {}, {"usage": 1.0}, ["there is no measurement 'cpu'"]),
    ],
)
def test_faults(
    name: str, tags: dict[str, str], fields: dict[str, object], wanted: list[str]
) -> None:
    assert faults(name, tags, fields) == wanted
