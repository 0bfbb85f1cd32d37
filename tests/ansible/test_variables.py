"""Every variable of the inventory is described, has a default, and is read by some role."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from fedbed.lab import variables
from fedbed.lab.variables import ROLES

DESCRIBED = sorted(path.parents[1].name for path in ROLES.glob("*/meta/argument_specs.yml"))
ANSIBLE = ROLES.parent


def text_of_all() -> dict[Path, str]:
    files = [p for p in ANSIBLE.rglob("*") if p.suffix in (".yml", ".j2", ".sh")]
    return {path: path.read_text() for path in files if "/meta/" not in str(path)}


def test_the_page_has_the_tables_of_all_roles() -> None:
    assert {*variables.ORDER, "coordinator"} == set(DESCRIBED)
    assert variables.main(["--check"]) == 0


@pytest.mark.parametrize("role", DESCRIBED)
def test_what_is_described_has_a_default_and_the_other_way_round(role: str) -> None:
    _, options, defaults = variables.specs(role)
    assert list(options) == list(defaults)
    for option in options.values():
        assert option["description"].strip().endswith(".")


def test_every_variable_is_described_once_and_read() -> None:
    described = [name for role in DESCRIBED for name in variables.specs(role)[1]]
    assert len(described) == len(set(described))
    texts = text_of_all()
    for name in described:
        uses = [p for p, text in texts.items() if re.search(rf"\b{name}\b(?!:)", text)]
        assert uses, f"nobody reads {name}"
    named = {n for text in texts.values() for n in re.findall(r"\bfedbed_[a-z_]+\b", text)}
    filters = {"fedbed_reason", "fedbed_text", "fedbed_unknown", "fedbed_unreachable"}
    assert named - filters <= set(described)


def test_a_switch_may_be_a_word_as_extra_vars_on_the_command_line_are() -> None:
    options = {name: o for role in DESCRIBED for name, o in variables.specs(role)[1].items()}
    switches = [name for name, option in options.items() if option["type"] == "bool"]
    conditions = re.findall(r"when: (.*)", "\n".join(text_of_all().values()))
    for name in switches:
        for condition in conditions:
            bare = re.search(rf"\b{name}\b(?!( \| default\(false\))? \| bool\b)", condition)
            assert not bare, condition


def test_the_examples_use_variables_that_there_are() -> None:
    described = {name for role in DESCRIBED for name in variables.specs(role)[1]}
    for name in ("inventory.example.yml", "vault.example.yml"):
        text = (ANSIBLE / name).read_text()
        assert set(re.findall(r"\bfedbed_[a-z_]+(?=:)", text)) <= described
    children = yaml.safe_load((ANSIBLE / "inventory.example.yml").read_text())["all"]["children"]
    assert set(children) == {"coordinator", "raspberry_pi", "jetson", "x86"}
