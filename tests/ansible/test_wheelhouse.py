from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fedbed.errors import UsageError
from fedbed.lab import wheelhouse
from fedbed.lab.wheelhouse import Kind

PROJECT = {"dependencies": ["psutil>=5.9"], "train": ["numpy>=1.24", "torch>=2.0", "pillow>=9.1"]}


def test_kinds_are_read_and_shown() -> None:
    assert Kind.parse("aarch64-cp311") == Kind("aarch64", 11)
    assert str(Kind("x86_64", 8)) == "x86_64-cp38"


@pytest.mark.parametrize("text", ["armv7l-cp311", "aarch64-cp37", "aarch64", "aarch64-cp3111"])
def test_what_is_no_kind_is_refused(text: str) -> None:
    with pytest.raises(
        UsageError, match=r"no kind of board; give a machine and a Python from 3\.8"
    ):
        Kind.parse(text)


def test_only_the_part_torch_has_torch() -> None:
    kind = Kind("aarch64", 11)
    asked = {part: wheelhouse.wanted(part, kind, PROJECT) for part in ("agent", "numpy", "torch")}
    assert asked["agent"] == ["psutil>=5.9", "pip"]
    assert asked["numpy"] == ["numpy>=1.24", "pillow>=9.1"]
    # Later ones die on a Pi 4, or bring CUDA along.
    assert asked["torch"][0] == "torch==2.9.1"


def test_wheels_of_a_kind_fit_its_machine_and_python() -> None:
    flags = Kind("aarch64", 9).flags
    assert "--python-version=3.9" in flags
    assert "--abi=cp39" in flags
    assert "--platform=manylinux_2_28_aarch64" in flags
    assert not any("x86_64" in flag for flag in flags)


def test_a_lock_names_each_wheel_with_its_hash(tmp_path: Path) -> None:
    (tmp_path / "paho_mqtt-2.1.0-py3-none-any.whl").write_bytes(b"wheel")
    wheelhouse.lock(tmp_path)
    digest = hashlib.sha256(b"wheel").hexdigest()
    locked = (tmp_path / "requirements.txt").read_text()
    assert locked == f"paho-mqtt==2.1.0 --hash=sha256:{digest}\n"
