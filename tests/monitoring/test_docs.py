"""docs/monitoring.md says what each panel answers and what each alert is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitoring.dashboards import docs
from monitoring.dashboards.alerts import RULES
from monitoring.dashboards.limits import DISK, MEMORY, TEMPERATURE
from monitoring.dashboards.provisioning import DASHBOARDS_FOLDER
from tests.monitoring.asking import NAMES, board, panels

PAGE = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text()


def test_the_committed_tables_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 0, capsys.readouterr().err


def test_the_page_has_every_dashboard_panel_and_alert() -> None:
    for name in NAMES:
        assert f"**{board(name)['title']}**" in PAGE.partition("## How long")[0]
        for panel in panels(name):
            assert f"| {panel['title']} | {panel['description']} |" in PAGE
    for rule in RULES:
        assert f"| {rule.title} ({rule.severity}) | {rule.when} | {rule.lasting} |" in PAGE
    assert "{{" not in PAGE


def test_the_limits_and_places_that_the_page_names_are_those_of_the_code() -> None:
    assert (DISK, MEMORY) == (MEMORY, DISK)
    told = (
        f"from {DISK.warn:g} % on memory and disk are orange, from {DISK.bad:g} % on red;\n"
        f"temperature from {TEMPERATURE.warn:g} °C and {TEMPERATURE.bad:g} °C on"
    )
    assert told in PAGE
    assert f"`{DASHBOARDS_FOLDER}`" in PAGE
