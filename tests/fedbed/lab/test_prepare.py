from __future__ import annotations

import datetime
import os
import stat
from pathlib import Path

import pytest

from fedbed import authority, certificates
from fedbed.errors import UsageError
from fedbed.lab import prepare
from tests.parts import need

HOSTS = ["lab.local", "192.168.1.5"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "monitoring"
    (folder / "mosquitto").mkdir(parents=True)
    for name in prepare.BROKER_FILES:
        (folder / "mosquitto" / name).write_text(f"{name}\n")
    return folder


def test_gives_each_service_a_certificate_and_nobody_the_cas_key(
    source: Path, tmp_path: Path
) -> None:
    lab = tmp_path / "lab"
    done = prepare.prepare(source, lab, HOSTS, own=False)
    assert len(done) == 4
    trusted = (lab / "trust" / "ca.pem").read_bytes()
    for service in ("coordinator", "mosquitto", "grafana"):
        folder = lab / service
        found = certificates.check_pair(folder / "server.pem", folder / "server.key")
        certificates.check_issuer(folder)
        assert set(found.names) == {service, "localhost", "127.0.0.1", *HOSTS}
        assert (folder / "ca.pem").read_bytes() == trusted
        assert stat.S_IMODE((folder / "server.key").stat().st_mode) == 0o400
        assert not (folder / "ca.key").exists()
    keys = {(lab / name / "server.key").read_bytes() for name in ("coordinator", "mosquitto")}
    assert len(keys) == 2
    assert (lab / "broker" / "passwords").read_text() == "passwords\n"
    assert [path.name for path in (lab / "trust").iterdir()] == ["ca.pem"]


def test_changes_nothing_at_the_next_start_but_what_has_changed(
    source: Path, tmp_path: Path
) -> None:
    lab = tmp_path / "lab"
    prepare.prepare(source, lab, HOSTS, own=False)
    before = {path: path.read_bytes() for path in lab.rglob("*.pem")}
    (source / "mosquitto" / "passwords").write_text("another board\n")
    assert prepare.prepare(source, lab, HOSTS, own=False) == []
    assert {path: path.read_bytes() for path in lab.rglob("*.pem")} == before
    assert (lab / "broker" / "passwords").read_text() == "another board\n"


def test_a_new_name_of_the_machine_or_a_near_end_brings_a_new_certificate(
    source: Path, tmp_path: Path
) -> None:
    lab = tmp_path / "lab"
    prepare.prepare(source, lab, HOSTS, own=False)
    authority_before = (lab / "ca" / "ca.pem").read_bytes()
    assert len(prepare.prepare(source, lab, [*HOSTS, "fl.example.org"], own=False)) == 3
    found = certificates.describe(certificates.load(lab / "grafana" / "server.pem")[0])
    assert "fl.example.org" in found.names

    long_ago = certificates.utc_now() - datetime.timedelta(days=authority.SERVER_DAYS - 30)
    names = ["mosquitto", *prepare.LOCAL, *HOSTS, "fl.example.org"]
    authority.issue(lab / "ca", names, now=long_ago)
    for name in ("server.pem", "server.key"):
        (lab / "ca" / name).replace(lab / "mosquitto" / name)
    done = prepare.prepare(source, lab, [*HOSTS, "fl.example.org"], own=False)
    assert [sentence.split("'")[0] for sentence in done] == ["issued mosquitto"]
    assert (lab / "ca" / "ca.pem").read_bytes() == authority_before


def test_files_belong_to_their_services_users(source: Path, tmp_path: Path) -> None:
    need(os.geteuid() == 0, "only root can give files away")
    lab = tmp_path / "lab"
    prepare.prepare(source, lab, HOSTS)
    for service in (prepare.COORDINATOR, prepare.BROKER, prepare.BOARDS):
        assert (lab / service.name / "server.key").stat().st_uid == service.user
    assert (lab / "broker" / "passwords").stat().st_uid == prepare.BROKER.user


def test_says_which_file_is_missing(source: Path, tmp_path: Path) -> None:
    (source / "mosquitto" / "passwords").unlink()
    with pytest.raises(UsageError, match=r"mosquitto/passwords: No such file"):
        prepare.prepare(source, tmp_path / "lab", HOSTS, own=False)
