"""What probes have measured, asked of a real engine."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.settings import Influx as Settings
from coordinator.telemetry import samples
from tests.influx import BUCKET, ORG, TOKEN, Influx, influx

BEGIN_S = 1_700_000_000
S = 1_000_000_000


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    with influx(tmp_path_factory.mktemp("influx")) as made:
        made.write("\n".join(lines()))
        yield made


@pytest.fixture
def settings(database: Influx) -> Settings:
    return Settings(database.url, ORG, BUCKET, TOKEN)


def lines() -> list[str]:
    """Two nodes over ten seconds, and a sample each before and after that doesn't count."""
    found = []
    for second in range(-1, 12):
        at = (BEGIN_S + second) * S
        outside = not 0 <= second <= 10
        found += [
            f"fedbed_cpu,node=pi-1 usage={900 if outside else 10.0 * second} {at}",
            f"fedbed_cpu,node=pi\\ 2 usage={900 if outside else 40.0} {at}",
            f"fedbed_temperature,node=pi-1,sensor=a value={900 if outside else 50.0 + second} {at}",
            f"fedbed_temperature,node=pi-1,sensor=b value={900 if outside else 41.5} {at}",
        ]
        slow, low = str(second in (3, 4)).lower(), str(second == 4).lower()
        found.append(
            f"fedbed_throttling,node=pi-1 undervoltage={low},capped={slow},throttled=false,"
            f"soft_limit=false {at}"
        )
        # The agent starts anew after five seconds: its counter, too.
        joules = 1000.0 + 3.0 * second if second <= 5 else 3.0 * (second - 6)
        found += [
            f"fedbed_power,node=pi-1,rail=plug,method=measured power=3,energy={joules} {at}",
            f"fedbed_power,node=pi-1,rail=VDD_IN,method=measured energy={2.0 * (second + 1)} {at}",
            f"fedbed_power,node=pi-1,rail=package-0,method=modelled energy={second + 1.0} {at}",
        ]
    return found


async def test_only_the_time_of_the_run_counts(settings: Settings) -> None:
    found = await samples.between(settings, BEGIN_S, BEGIN_S + 10)
    assert found["error"] == ""
    assert found["nodes"] == {
        "pi-1": {
            "cpu": 50.0,
            "samples": 11,
            "temperature": 60.0,
            "throttling": {"samples": 11, "slowed": 2, "undervoltage": 1},
            # Five steps of 3 J before the restart and four after it.
            "energy": {
                "measured": {"plug": 27.0, "VDD_IN": 20.0},
                "modelled": {"package-0": 10.0},
            },
        },
        "pi 2": {"cpu": 40.0, "samples": 11},
    }


def test_the_pages_own_question_for_energy_gives_the_same(database: Influx) -> None:
    page = (Path(__file__).parents[3] / "docs" / "influxdb.md").read_text()
    (question,) = re.findall(r"```\n(SELECT .*?)```", page, re.DOTALL)
    for name, second in (("14:03:00Z", BEGIN_S), ("14:20:00Z", BEGIN_S + 10)):
        question = question.replace(f"'2026-05-09T{name}'", str(second * S))
    rows = {(row["rail"], row["sum"]) for row in database.query(question)}
    assert rows == {("plug", 27.0), ("VDD_IN", 20.0), ("package-0", 10.0)}


async def test_a_time_without_samples_has_none(settings: Settings) -> None:
    assert await samples.between(settings, BEGIN_S + 100, BEGIN_S + 200) == {
        "nodes": {},
        "error": "",
    }


async def test_what_fails_is_told_in_a_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        monkeypatch.setattr(samples, "TIMEOUT_S", 0.5)
        slow = await samples.between(replace(settings, url=address), 0, 1)
    monkeypatch.undo()
    absent = await samples.between(replace(settings, url=address), 0, 1)
    unknown = await samples.between(replace(settings, given_token="another"), 0, 1)
    no_bucket = await samples.between(replace(settings, bucket="another"), 0, 1)
    for found, why in (
        (slow, "doesn't answer within"),
        (absent, "can't be asked"),
        (unknown, "unauthorized access"),
        (no_bucket, "database not found: another"),
    ):
        assert found["nodes"] == {}
        assert why in found["error"]
        assert len(found["error"].splitlines()) == 1
        assert TOKEN not in found["error"]


async def test_an_answer_of_another_form_is_none(settings: Settings) -> None:
    # The address of something else altogether.
    found = await samples.between(replace(settings, url=f"{settings.url}/health?"), 0, 1)
    assert found["nodes"] == {}
    assert "answers in another form" in found["error"]


async def test_questions_go_to_the_time_that_is_meant() -> None:
    now = time.time_ns()
    for question in samples.questions(1, now).values():
        assert question.count(f"time >= 1 AND time <= {now}") >= 1
        assert "GROUP BY" in question
