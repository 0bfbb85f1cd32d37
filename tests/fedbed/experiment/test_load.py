"""Reading files: every problem is one line that says where and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fedbed.errors import ExperimentError
from fedbed.experiment import load, loads

FOLDER = Path(__file__).parents[3] / "experiments"
EXAMPLES = sorted(
    path
    for folder in (FOLDER, FOLDER / "mcmahan", FOLDER / "stragglers")
    for path in folder.glob("*.yaml")
)
HEAD = "name: x\ntask: mnist_mlp\n"


def complaint(text: str) -> str:
    with pytest.raises(ExperimentError) as caught:
        loads(text, "x.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.name))
def test_the_examples_load(path: Path) -> None:
    of = "" if path.parent == FOLDER else f"{path.parent.name}-"
    assert load(path).name == of + path.stem.replace("_", "-")


def test_there_are_examples() -> None:
    assert {"demo", "quick"} <= {path.stem for path in EXAMPLES}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "x.yaml: the file is empty"),
        ("# nothing but this\n", "x.yaml: the file is empty"),
        ("- a\n", "x.yaml: given a list of 1 at the top"),
        ("hello", "x.yaml: given 'hello' (text) at the top"),
        ("name: [\n", "x.yaml:2: not valid YAML: "),
        ("name: x\n  a: b: c", "x.yaml:2: not valid YAML: mapping values are not allowed here"),
        ("a: 1\n---\nb: 2\n", "x.yaml:2: not valid YAML: but found another document"),
        ("name: x\ntask: \x00", "x.yaml:2: not text: character 0x00"),
        ("name: x\nname: y\n", "x.yaml:2: key 'name' stands there twice, first in line 1"),
        ("a: &x [1]\nb: *x\n", "x.yaml:2: aliases (*name) are not supported"),
        ("a: !!python/object/apply:os.system [ls]\n", "x.yaml:1: tags (tag:yaml.org,2002:python"),
        ("a: !!set {b}\n", "x.yaml:1: tags"),
        ("a: !!int 'b'\n", "x.yaml:1: 'b' is no int"),
        ("3: x\n", "x.yaml:1: keys are text; given '3'"),
        ("[a]: x\n", "x.yaml:1: keys are text; given a list or mapping"),
        ("[" * 5000, "x.yaml:1: nested too deeply"),
        ("{a: " * 5000, "x.yaml:1: nested too deeply"),
        ("#" * 100_001, "x.yaml: is larger than 100 kB"),
        ("name: x\n", "x.yaml: task: missing; wanted: a learning task"),
    ],
)
def test_what_is_no_experiment_is_refused(text: str, wanted: str) -> None:
    assert complaint(text).startswith(wanted)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("federation:\n  round: 1\n", "x.yaml:4: unknown key 'federation.round'; did you mean 'ro"),
        ("rounds: 3\n", "x.yaml:3: unknown key 'rounds'; it belongs under 'federation'"),
        ("data: {seeds: [1]}\n", "x.yaml:3: unknown key 'data.seeds'; it belongs at the top"),
        ("codec: {zzz: 1}\n", "x.yaml:3: unknown key 'codec.zzz'; allowed: down, up"),
        ("<<: {rounds: 1}\n", "x.yaml:3: unknown key '<<'; allowed: name, "),
        ("federation:\n\n  strategy:\n    nam: a\n", "x.yaml:6: unknown key 'federation.strategy"),
        ("seeds:\n- 1\n- x\n", "x.yaml:5: seeds[1]: given 'x' (text); allowed: a whole number"),
        ("federation:\n  nodes: 2\n  min_nodes: 3\n", "x.yaml:5: federation.min_nodes: 3 is more"),
        ("data:\n  partition: shard\n", "x.yaml:4: data.partition.scheme: unknown scheme"),
        ("federation:\n  strategy: Krumm\n", "x.yaml:4: federation.strategy: unknown strategy"),
    ],
)
def test_problems_name_key_and_line(text: str, wanted: str) -> None:
    assert complaint(HEAD + text).startswith(wanted)


def test_all_problems_are_told_in_the_order_of_the_file() -> None:
    text = complaint(HEAD + "seeds: []\nengine: 1\ndata: 1\n")
    first, second, third = text.split("; also: ")
    assert first.startswith("x.yaml:3: seeds: ")
    assert second.startswith("line 4: ")
    assert "engine" in second
    assert third.startswith("line 5: data: ")


def test_a_file_full_of_problems_is_told_in_part() -> None:
    text = complaint(HEAD + "".join(f"{'x' * 300}{n}: 1\n" for n in range(30)))
    assert text.endswith("; and 20 more problems")
    assert len(text) < 3000


@pytest.mark.parametrize("word", ["yes", "on", "010", "1:30", "0x10", "1_000", "2024-01-01"])
def test_yaml_surprises_are_text(word: str) -> None:
    wanted = f"federation.nodes: given '{word}' (text)"
    assert wanted in complaint(HEAD + f"federation: {{nodes: {word}}}")
    labels = loads(HEAD + f"federation: {{select: {{labels: {{a: {word}}}}}}}", "x")
    assert labels.federation.select.labels == {"a": word}


@pytest.mark.parametrize(("word", "value"), [("1e-3", 0.001), ("1", 1.0), (".5", 0.5)])
def test_numbers_are_numbers(word: str, value: float) -> None:
    assert loads(HEAD + f"optimizer: {{lr: {word}}}", "x").optimizer.lr == value


def test_long_and_many_lined_input_gives_one_short_line() -> None:
    text = complaint(HEAD + 'engine: "' + "a\\n\\u2028" * 5000 + '"')
    assert len(text) < 600
    assert text.isprintable()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    junk = tmp_path / "junk.yaml"
    junk.write_bytes(b"name: x\n\xff\xfe")
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * 1_000_001)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, wanted in [
        (tmp_path / "none.yaml", "no such file"),
        (tmp_path, "is a folder; name an experiment file in it"),
        (junk / "x", "can't be read: Not a directory"),
        (Path("a\0b"), "can't be read: "),
        (large, "is larger than 100 kB"),
        (pipe, "is not a regular file"),
    ]:
        with pytest.raises(ExperimentError, match=wanted) as caught:
            load(path)
        assert str(caught.value).isprintable()
    with pytest.raises(ExperimentError, match=r"junk\.yaml:2: not text in UTF-8"):
        load(junk)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + HEAD.encode())
    assert load(str(path)).name == "x"


@settings(deadline=None)
@given(st.text() | st.lists(st.sampled_from(list("[]{}:,-&*!|>'\"#%@ \n\tab1"))).map("".join))
@example("? ")
@example("!<")
@example("a: |\n")
@example("%YAML 9.9\n--- a")
def test_any_text_is_an_experiment_or_an_experiment_error(text: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        loads(text, "x.yaml")
    assert "\n" not in str(caught.value)
