from __future__ import annotations

import pytest

from fedbed.cli import checkups
from fedbed.cli.checkups import OFFLINE, SILENT, Patient
from fedbed.client import Client
from fedbed.errors import Refused
from fedbed.link.health import FAIL, OK, WARN, Finding


def test_a_coordinator_without_checkups_is_told_apart_from_nodes_that_are_away() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(Refused, match="too old"):
        checkups.examine(client, [{"name": "pi-1", "state": "ready"}], {}, print)


def test_what_keeps_a_node_from_training() -> None:
    found = [Finding("disk", FAIL, ""), Finding("ntp", WARN, ""), Finding("os", OK, "")]
    patient = Patient("pi-1", found)
    assert (patient.worst, patient.complaints()) == (FAIL, ["disk"])
    assert patient.complaints(strict=True) == ["disk", "ntp"]
    assert Patient("pi-2", trouble=SILENT).complaints() == [SILENT]
    assert Patient("pi-3", trouble=OFFLINE).complaints() == []
    assert Patient("pi-3", trouble=OFFLINE).worst == OFFLINE
