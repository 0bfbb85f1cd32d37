from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent import config, settings_file
from fedbed.authority import make_ca
from fedbed.errors import UsageError

FILE = """\
coordinator: http://lab:8470
name: pi-07
state_dir: /var/lib/fedbed
worker_python: /opt/torch/bin/python
threads: 4
labels:
  board: pi4
  room: 12
allow_apps: no
enrol_file: enrol.token
broker: mqtt://lab
broker_user: someone
sample_interval: 5s
plug: tasmota:plug-7
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in [name for name in os.environ if name.startswith("FEDBED_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setattr(settings_file, "DEFAULT", tmp_path / "none.yaml")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "agent.yaml"
    path.write_text(FILE)
    return path


def told(path: Path, text: str) -> str:
    """Write a file and return how it is refused."""
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        config.parse(["--config", str(path)])
    assert "\n" not in str(refused.value)
    return str(refused.value).replace(str(path), "FILE")


def test_every_setting_comes_from_the_file(path: Path) -> None:
    parsed = config.parse(["--config", str(path)])
    assert parsed.coordinator == "http://lab:8470"
    assert parsed.name == "pi-07"
    assert parsed.state_dir == Path("/var/lib/fedbed")
    assert parsed.worker_python == "/opt/torch/bin/python"
    assert parsed.threads == 4
    assert parsed.labels == {"board": "pi4", "room": "12"}
    assert not parsed.apps_allowed
    assert parsed.sample_interval_s == 5.0
    assert parsed.broker is not None
    assert (parsed.broker.host, parsed.broker.user) == ("lab", "someone")
    assert parsed.broker.plug is not None


def test_paths_of_a_file_start_at_its_folder(path: Path) -> None:
    assert config.parse(["--config", str(path)]).enrol_file == path.parent / "enrol.token"


def test_a_flag_beats_the_environment_and_that_beats_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--config", str(path)]
    monkeypatch.setenv("FEDBED_COORDINATOR", "http://other:1")
    monkeypatch.setenv("FEDBED_ENROL_TOKEN", "fedbed-enrol-1")
    parsed = config.parse(flags)
    assert parsed.coordinator == "http://other:1"
    assert parsed.enrol_file is None
    assert parsed.name == "pi-07"
    flags += ["--coordinator=http://third:1", "--name", "pi-08", "--label", "room=13"]
    parsed = config.parse(flags)
    assert parsed.coordinator == "http://third:1"
    assert parsed.name == "pi-08"
    assert parsed.labels == {"board": "pi4", "room": "13"}


def test_a_ca_in_the_environment_beats_the_files(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        make_ca(tmp_path / name)
    path.write_text("coordinator: https://lab:8470\nca: one/ca.pem\n")
    assert config.parse(["--config", str(path)]).ca == tmp_path / "one" / "ca.pem"
    monkeypatch.setenv("FEDBED_CA", str(tmp_path / "two" / "ca.pem"))
    assert config.parse(["--config", str(path)]).ca == tmp_path / "two" / "ca.pem"


def test_which_file_is_read(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_file.find(None) is None
    monkeypatch.setattr(settings_file, "DEFAULT", path)
    assert config.parse([]).name == "pi-07"
    other = tmp_path / "other.yaml"
    other.write_text("name: other\n")
    monkeypatch.setenv("FEDBED_AGENT_CONFIG", str(other))
    assert config.parse([]).name == "other"
    assert config.parse(["--config", str(path)]).name == "pi-07"
    assert config.parse(["--config", os.devnull]).coordinator == config.DEFAULT_COORDINATOR


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "ca:\nlabels:\n"])
def test_what_is_left_empty_says_nothing(path: Path, text: str) -> None:
    path.write_text(text)
    parsed = config.parse(["--config", str(path)])
    assert (parsed.ca, parsed.labels) == (None, {})


@pytest.mark.parametrize(("value", "allowed"), [("true", True), ("yes", True), ("false", False)])
def test_foreign_code_may_be_allowed_as_yaml_says_it(path: Path, value: str, allowed: bool) -> None:
    path.write_text(f"coordinator: http://lab:1\nallow_apps: {value}\n")
    assert config.parse(["--config", str(path)]).apps_allowed is allowed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\ncoordinater: b\n", "FILE:2: unknown key 'coordinater'; did you mean 'coordin"),
        ("zebra: 1\n", "FILE:1: unknown key 'zebra'; allowed: coordinator, ca, name, state_dir"),
        ("config: x\n", "FILE:1: unknown key 'config'"),
        ("stop_with_parent: true\n", "FILE:1: unknown key 'stop_with_parent'"),
        ("label: {a: b}\n", "FILE:1: unknown key 'label'; did you mean 'labels'?"),
        ("threads: two\n", "FILE:1: threads: given 'two'; allowed: a whole number from 1"),
        ("threads: 0\n", "FILE:1: threads: given 0; allowed: a whole number from 1"),
        ("threads: true\n", "FILE:1: threads: given true; allowed: a whole number from 1"),
        ("name: 7\n", "FILE:1: name: given 7; allowed: a text"),
        ("name: [a]\n", "FILE:1: name: given a list; allowed: a text"),
        ("data: ''\n", "FILE:1: data: given ''; allowed: a path"),
        ("labels: [a=b]\n", "FILE:1: labels: given a list; allowed: a mapping of names to texts"),
        ("labels: {a: [b]}\n", "FILE:1: labels: given a mapping; allowed: a mapping of names to"),
        ("labels: {a b: c}\n", "FILE:1: labels: 'a b=c' is not of the form KEY=VALUE"),
        (
            "allow_apps: ys\n",
            "FILE:1: allow_apps: given 'ys'; allowed: auto or yes or no; did you mean 'yes'?",
        ),
        ("sample_interval: soon\n", "FILE:1: sample_interval: "),
        ("name: a\n\ncoordinator: lab\n", "FILE:3: coordinator: 'lab' is no http:// or https://"),
        ("data: no.npz\n", "FILE:1: data: there is no file '"),
        ("broker_user: a\n", "FILE:1: broker_user: needs --broker"),
        ("- a\n", "FILE: given a list; allowed: keys with values"),
        ("name\n", "FILE: given 'name'; allowed: keys with values"),
        ("name: a\nname: b\n", "FILE:2: key 'name' stands there twice"),
        ("name: [a\n", "FILE:2: not valid YAML: "),
        ("name: a\x1b\n", "FILE:1: not text: character 0x1b"),
    ],
)
def test_a_file_that_will_not_do(path: Path, text: str, message: str) -> None:
    assert told(path, text).startswith(message)


def test_a_flags_own_error_names_the_flag(path: Path) -> None:
    path.write_text("coordinator: http://lab:1\n")
    with pytest.raises(UsageError, match=r"^--coordinator: 'x' is no http"):
        config.parse(["--config", str(path), "--coordinator", "x"])


def test_a_file_that_can_not_be_read(path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"settings can't be read \(No such file or directory\)"):
        config.parse(["--config", str(tmp_path / "no.yaml")])
    with pytest.raises(UsageError, match="is no regular file"):
        config.parse(["--config", str(tmp_path)])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is no regular file"):
        config.parse(["--config", str(tmp_path / "pipe")])
    path.write_bytes(b"name: a\n\xff")
    with pytest.raises(UsageError, match=re.escape(f"{path}:2: not text in UTF-8")):
        config.parse(["--config", str(path)])
    path.write_text("# " + "x" * 100_000)
    with pytest.raises(UsageError, match="larger than 100000 bytes"):
        config.parse(["--config", str(path)])


def test_the_command_ends_with_2_and_one_line(path: Path, tmp_path: Path) -> None:
    path.write_text("colour: red\n")
    env = {**os.environ, "FEDBED_AGENT_CONFIG": str(path)}
    command = [sys.executable, "-m", "fedbed", "agent"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"fedbed agent: {path}:1: unknown key 'colour'")


# An interpreter that has the standard library and our packages, and nothing else.
BARE = """
import sys
sys.modules["yaml"] = None
import importlib.util
genuine = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "yaml" else genuine(name, *more)
from edge_agent import config
from fedbed.errors import RequirementMissing
config.parse(["--config", "/dev/null"])
try:
    config.parse(["--config", sys.argv[1]])
except RequirementMissing as error:
    print(error)
"""


def test_without_pyyaml_only_a_file_is_too_much(path: Path) -> None:
    command = [sys.executable, "-c", BARE, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}: reading it needs the package pyyaml: pip install pyyaml\n"
