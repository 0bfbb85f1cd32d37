"""InfluxDB's setup. No InfluxDB 2 is to be had where this runs: its command `influx` is acted here.

So this shows which commands the script gives and that a second run gives none that makes something;
what InfluxDB makes of them it doesn't show.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.parts import need

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "monitoring" / "influxdb" / "init" / "10-fedbed.sh"
FLUX = ROOT / "monitoring" / "influxdb" / "downsample.flux"
ACTOR = """#!/bin/sh
# Remembers what was made, by kind and name, and lists it.
echo "$*" >> "$STATE/asked"
kind=$1; shift
case $kind in v1) kind=$1; shift ;; esac
verb=$1; shift
name=
while [ $# -gt 0 ]; do
    case $1 in --name | --db | --username) name=$2 ;; --file) name=fedbed_long ;; esac
    shift
done
case $verb in
create)
    [ -e "$STATE/$kind.$name" ] && { echo "exists already" >&2; exit 1; }
    touch "$STATE/$kind.$name" ;;
list)
    for file in "$STATE/$kind."*; do
        made=${file##*/"$kind".}
        [ -z "$name" ] || [ "$made" = "$name" ] || continue
        case $kind in
        task) printf 'id\\t%s\\n' "$made" ;;
        *) printf 'id-of-%s\\t%s\\n' "$made" "$made" ;;
        esac
    done ;;
esac
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    actor = tmp_path / "influx"
    actor.write_text(ACTOR)
    actor.chmod(0o755)
    (folder / "bucket.fedbed").touch()  # the image's own setup makes it
    return folder


def start(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the script with the `influx` that lies in a folder."""
    return subprocess.run(
        ["sh", str(SCRIPT)],
        env={
            "PATH": f"{folder}:{os.environ['PATH']}",
            "STATE": str(folder / "state"),
            "FEDBED_READER_PASSWORD": "p",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def run(state: Path) -> list[str]:
    """Run the script; returns what it made."""
    (state / "asked").write_text("")
    environment = {
        "PATH": f"{state.parent}:{os.environ['PATH']}",
        "STATE": str(state),
        "FEDBED_READER_PASSWORD": "p",
    }
    done = subprocess.run(
        ["sh", str(SCRIPT)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [line for line in (state / "asked").read_text().splitlines() if " create " in line]


def test_makes_bucket_task_names_and_reader(state: Path) -> None:
    made = run(state)
    assert [re.sub(r" --.*", "", line) for line in made] == [
        "bucket create",
        "v1 dbrp create",
        "v1 dbrp create",
        "task create",
        "v1 auth create",
    ]
    assert "--name fedbed_long --retention 365d" in made[0]
    assert "--db fedbed --rp autogen --bucket-id id-of-fedbed --default" in made[1]
    assert "--db fedbed_long --rp autogen --bucket-id id-of-fedbed_long --default" in made[2]
    assert "--write-bucket" not in made[4]
    assert "--read-bucket id-of-fedbed --read-bucket id-of-fedbed_long" in made[4]


def test_a_second_run_changes_nothing(state: Path) -> None:
    run(state)
    before = sorted(path.name for path in state.iterdir())
    # Names for InfluxQL are asked for again: there is no way to look only for one's own.
    assert {re.sub(r" --.*", "", line) for line in run(state)} == {"v1 dbrp create"}
    assert sorted(path.name for path in state.iterdir()) == before


def test_a_refusal_ends_it_so_that_the_image_begins_anew(state: Path) -> None:
    (state.parent / "influx").write_text("#!/bin/sh\nexit 1\n")
    assert start(state.parent).returncode != 0


def test_the_image_runs_it_and_keeps_what_compose_says() -> None:
    # The image runs what is executable and ends in .sh.
    assert os.access(SCRIPT, os.X_OK)
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["influxdb"]
    assert service["environment"]["DOCKER_INFLUXDB_INIT_RETENTION"] == "30d"
    assert service["environment"]["FEDBED_LONG_RETENTION"] == "365d"
    mounts = [mount.split(":")[1] for mount in service["volumes"]]
    assert "/docker-entrypoint-initdb.d" in mounts
    (flux,) = re.findall(r"--file (\S+)", SCRIPT.read_text())
    assert flux in mounts


def test_the_task_reads_one_bucket_and_writes_the_other() -> None:
    flux = FLUX.read_text()
    assert re.findall(r'from\(bucket: "(\w+)"\)', flux) == ["fedbed"]
    assert (
        re.findall(r'to\(bucket: "(\w+)", org: "(\w+)"\)', flux) == [("fedbed_long", "fedbed")] * 2
    )
    assert 'name: "fedbed_long"' in flux


@pytest.mark.parametrize(
    "script", [SCRIPT, ROOT / "scripts" / "lab"], ids=lambda path: str(path.name)
)
def test_shell_scripts_have_no_slips(script: Path) -> None:
    need(shutil.which("shellcheck") is not None, "the package shellcheck is not installed")
    done = subprocess.run(
        ["shellcheck", str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout
