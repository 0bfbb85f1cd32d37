from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from edge_agent import config
from edge_agent.broker.settings import BrokerSettings, add_flags
from edge_agent.plugs import Plug
from fedbed.authority import make_ca
from fedbed.errors import UsageError
from fedbed.telemetry import topics


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FEDBED_BROKER", "FEDBED_BROKER_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def parsed(*flags: str) -> BrokerSettings:
    found = config.parse(["--name", "pi-1", *flags]).broker
    assert found is not None
    return found


def test_without_a_broker_there_are_no_settings() -> None:
    found = config.parse(["--name", "pi-1"])
    assert found.broker is None
    assert found.sample_interval_s == 1.0


def test_what_is_not_given_follows_from_what_is() -> None:
    assert parsed("--broker", "mqtt://lab") == BrokerSettings("lab", 1883, False, "pi-1")
    assert parsed("--broker", "mqtts://lab") == BrokerSettings("lab", 8883, True, "pi-1")
    assert parsed("--broker", "mqtt://[::1]:5").url == "mqtt://[::1]:5"


def test_everything_given(tmp_path: Path) -> None:
    make_ca(tmp_path)
    (tmp_path / "password").write_text("pa55word\n")
    found = parsed(
        *("--broker", "mqtts://lab:9/", "--broker-user", "board 1"),
        *("--broker-password-file", str(tmp_path / "password")),
        *("--broker-ca", str(tmp_path / "ca.pem"), "--plug", "shelly:plug-1"),
    )
    assert found == BrokerSettings(
        host="lab",
        port=9,
        tls=True,
        user="board 1",
        password_file=tmp_path / "password",
        ca=tmp_path / "ca.pem",
        plug=Plug("shelly", "plug-1"),
    )
    assert found.password() == "pa55word"
    assert "pa55word" not in repr(found)
    assert found.url == "mqtts://lab:9"


def test_the_environment_names_broker_and_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDBED_BROKER", "mqtt://lab:1")
    monkeypatch.setenv("FEDBED_BROKER_PASSWORD", "pa55word")
    found = parsed()
    assert (found.url, found.password()) == ("mqtt://lab:1", "pa55word")
    assert parsed("--broker", "mqtt://other").host == "other"


@pytest.mark.parametrize(("given", "seconds"), [("0", 0), ("5", 5), ("500ms", 0.5), ("1m", 60)])
def test_intervals(given: str, seconds: float) -> None:
    assert config.parse(["--sample-interval", given]).sample_interval_s == seconds


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--broker", "lab:1883"], "--broker: 'lab:1883' is no mqtt:// or mqtts:// address"),
        (["--broker", "http://lab"], "--broker: 'http://lab' is no mqtt://"),
        (["--broker", "mqtt://"], "--broker: 'mqtt://' is no mqtt://"),
        (["--broker", "mqtt://lab:port"], "--broker: 'mqtt://lab:port' is no mqtt://"),
        (["--broker", "mqtt://lab:0"], "--broker: 'mqtt://lab:0' is no mqtt://"),
        (["--broker", "mqtt://lab/x"], "--broker: 'mqtt://lab/x' is no mqtt://"),
        (["--broker", "mqtt://me@lab"], "--broker: 'mqtt://me@lab' is no mqtt://"),
        (["--broker-user", "x"], "--broker-user: needs --broker"),
        (["--plug", "tasmota:x"], "--plug: needs --broker"),
        (["--broker", "mqtt://lab", "--broker-user", ""], "--broker-user: '' is no name"),
        (["--broker", "mqtt://lab", "--plug", "x"], "--plug: given 'x', allowed: tasmota:NAME"),
        (
            ["--broker", "mqtt://lab", "--broker-ca", "ca.pem"],
            "--broker-ca: is for mqtts:// addresses, and mqtt://lab is none",
        ),
        (
            ["--broker", "mqtts://lab", "--broker-ca", "no/ca.pem"],
            "--broker-ca: 'no/ca.pem' can't be read (No such file or directory)",
        ),
        (
            ["--broker", "mqtt://lab", "--broker-password-file", "/no/file"],
            "--broker-password-file: '/no/file' can't be read (No such file or directory)",
        ),
        (["--sample-interval", "soon"], "--sample-interval: 'soon' is no duration"),
        (["--sample-interval", "1ms"], "--sample-interval: given '1ms', allowed: 0 for never"),
    ],
)
def test_flags_that_will_not_do(flags: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        config.parse(flags)


def test_files_that_hold_something_else_are_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("two words")
    for flag in ("--broker-password-file", "--broker-ca"):
        with pytest.raises(UsageError, match=rf"{flag}: '.*file' holds no"):
            parsed("--broker", "mqtts://lab", flag, str(tmp_path / "file"))


def test_a_password_in_the_address_is_shown_to_nobody() -> None:
    with pytest.raises(UsageError) as raised:
        parsed("--broker", "mqtt://me:pa55word@lab")
    assert "pa55word" not in str(raised.value)


def test_the_page_on_mqtt_knows_every_flag_and_every_topic() -> None:
    page = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text()
    parser = argparse.ArgumentParser(add_help=False)
    add_flags(parser)
    for action in parser._actions:
        assert re.search(rf"^\| `{action.option_strings[0]} ", page, re.MULTILINE)
    for kind in topics.KINDS:
        assert f"| `{topics.topic('NODE', kind)}` |" in page
