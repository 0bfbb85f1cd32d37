from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from fedbed.lab import passwords
from tests.broker import broker
from tests.parts import need


def test_hashes_as_mosquitto_passwd_does(tmp_path: Path) -> None:
    need(shutil.which("mosquitto_passwd") is not None, "the package mosquitto is not installed")
    file = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(file), "pi-01", "only for tests"], check=True
    )
    written = file.read_text().strip()
    salt = base64.b64decode(written.split("$")[3])
    assert passwords.line("pi-01", "only for tests", salt) == written


def test_a_real_broker_lets_those_in_whose_password_it_is(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text(passwords.table({"agent-1": "one", "telegraf": "another"}))
    with broker(tmp_path / "broker", passwords=file) as made:
        assert made.lets_in("agent-1", "one")
        assert made.lets_in("telegraf", "another")
        assert not made.lets_in("agent-1", "another")
        assert not made.lets_in("nobody", "one")


def test_the_same_password_has_another_hash_each_time() -> None:
    assert passwords.line("a", "p") != passwords.line("a", "p")


@pytest.mark.parametrize("user", ["", "a:b", "a/b", "+", "two\nlines", "x" * 64])
def test_a_name_that_no_node_could_have_is_refused(user: str) -> None:
    with pytest.raises(ValueError, match="may hold letters"):
        passwords.line(user, "p")
