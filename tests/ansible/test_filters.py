from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.ansible.lab import PLAYBOOKS


@pytest.fixture(scope="module")
def filters() -> ModuleType:
    """The filters, which Ansible loads by their file."""
    path = PLAYBOOKS / "filter_plugins" / "fedbed.py"
    spec = importlib.util.spec_from_file_location("filters", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_variable_that_no_role_reads_gets_a_near_match(filters: ModuleType) -> None:
    assert filters.unknown(["fedbed_threads", "fedbed_treads", "fedbed_xyzzy"]) == [
        "no role reads the variable fedbed_treads; did you mean fedbed_threads?",
        "no role reads the variable fedbed_xyzzy",
    ]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!", "ssh-keygen -R pi"),
        ("Host key verification failed.", "its host key is not the one that is known"),
        ("lab@pi: Permission denied (publickey).", "ssh-copy-id"),
        ("ssh: Could not resolve hostname pi: Name or service not known", "its name 'pi' leads"),
        ("ssh: connect to host pi port 22: Connection refused", "enable ssh there"),
        ("ssh: connect to host pi port 22: Connection timed out", "no answer from pi"),
        ("first\nsomething else", "ssh to pi fails: something else"),
    ],
)
def test_what_ssh_said_becomes_what_to_do(filters: ModuleType, said: str, why: str) -> None:
    assert why in filters.unreachable(said, "pi")


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ({"stderr": "x\nOSError: [Errno 28] No space left on device: 'a'"}, "no space left on its"),
        ({"stderr": "Traceback\nERROR: no such wheel\nmore"}, "ERROR: no such wheel"),
        ({"msg": "Failed to lock", "stdout": ""}, "Failed to lock"),
        ({}, "it gave no reason"),
    ],
)
def test_a_failure_is_told_by_its_decisive_line(
    filters: ModuleType, result: dict[str, str], why: str
) -> None:
    assert filters.reason(result).startswith(why)
