from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from fedbed import yamlfile
from fedbed.comparison.load import plan_of, shown
from fedbed.comparison.plan import Plan
from fedbed.errors import ExperimentError, UsageError

BASE = "base: {task: mnist_softmax, federation: {nodes: 2, rounds: 3}}"
ROOT = Path(__file__).resolve().parents[3]


def read(folder: Path, text: str, *settings: str) -> Plan:
    path = folder / "study.yaml"
    path.write_text(textwrap.dedent(text))
    return plan_of([path], settings)


def refused(folder: Path, text: str, *settings: str) -> str:
    with pytest.raises(ExperimentError) as caught:
        read(folder, text, *settings)
    said = str(caught.value)
    assert "\n" not in said
    return said.replace(str(folder / "study.yaml"), "FILE")


def test_variants_change_the_base(tmp_path: Path) -> None:
    text = f"""\
        name: study
        {BASE}
        seeds: [1, 7]
        variants:
          as it is: {{}}
          10 nodes: {{federation.nodes: 10, codec.up: int8}}
          adam:
            federation.strategy: {{name: FedAdam, args: {{eta: 0.01}}}}
            optimizer: {{lr: 0.2}}
        reference: as it is
        """
    found = read(tmp_path, text)
    assert [variant.name for variant in found.variants] == ["as it is", "10 nodes", "adam"]
    assert (found.name, found.reference) == ("study", "as it is")
    plain, ten, adam = (variant.experiment for variant in found.variants)
    assert (plain.federation.nodes, plain.federation.rounds) == (2, 3)
    assert (ten.federation.nodes, ten.federation.rounds, ten.codec.up) == (10, 3, "int8")
    assert adam.federation.strategy.args == {"eta": 0.01}
    assert (adam.optimizer.lr, adam.optimizer.momentum) == (0.2, plain.optimizer.momentum)
    assert adam.federation.nodes == 2
    assert ten.name == "study-10-nodes"
    assert [cell.title for cell in found.cells("here")] == [
        "as it is, seed 1",
        "10 nodes, seed 1",
        "adam, seed 1",
        "as it is, seed 7",
        "10 nodes, seed 7",
        "adam, seed 7",
    ]


def test_the_file_in_the_report_repeats_the_comparison(tmp_path: Path) -> None:
    text = f"name: study\n{BASE}\nvariants: {{a: {{}}, b: {{codec.up: int8}}}}\n"
    first = read(tmp_path, text, "federation.rounds=9").with_seeds((4, 5))
    again = read(tmp_path, first.text)
    assert again.variants == first.variants
    assert [c.key for c in again.cells("x")] == [c.key for c in first.cells("x")]


def test_a_grid_is_a_product_that_names_itself(tmp_path: Path) -> None:
    text = f"""\
        name: study
        {BASE}
        grid:
          federation.nodes: [1, 3]
          codec.up: [exact, int8]
          codec.down: [exact]
          data.partition: [iid, {{scheme: dirichlet, alpha: 0.3}}]
        """
    found = [variant.name for variant in read(tmp_path, text).variants]
    assert len(found) == 8
    assert found[0] == "nodes 1, up exact, down exact, partition iid"
    assert found[-1] == "nodes 3, up int8, down exact, partition dirichlet alpha 0.3"


def test_names_of_values() -> None:
    assert shown({"name": "FedAdam", "args": {"eta": 0.1}}) == "FedAdam eta 0.1"
    assert [shown(None), shown(True), shown([1, "a"])] == ["null", "true", "1+a"]


def test_a_base_may_be_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("{name: one, task: mnist_softmax, seeds: [4, 5]}")
    found = read(tmp_path, "{name: s, base: base.yaml, variants: {a: {}, b: {codec.up: int8}}}")
    assert found.variants[0].seeds == (4, 5)
    assert found.text.startswith("name: s\n")
    said = refused(tmp_path, "{name: s, base: nosuch.yaml, variants: {a: {}}}")
    assert said == f"{tmp_path}/nosuch.yaml: no such file"


def test_settings_change_the_base_and_not_what_a_variant_sets(tmp_path: Path) -> None:
    text = f"{{name: s, {BASE}, variants: {{a: {{}}, b: {{federation.nodes: 5}}}}}}"
    a, b = read(tmp_path, text, "federation.nodes=3", "federation.rounds=2").variants
    assert (a.experiment.federation.nodes, b.experiment.federation.nodes) == (3, 5)
    assert b.experiment.federation.rounds == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            "variants:\n  a: {federation.nods: 3}",
            "FILE:4: variant 'a': unknown key 'federation.nods'; did you mean 'nodes'?",
        ),
        (
            "variants:\n  a: {federation.nodes: 0}\n  b: {codec.up: int9}",
            "FILE:4: variant 'a': federation.nodes: given 0 (number); allowed: a whole number from"
            " 1 to 10000; also: FILE:5: variant 'b': codec.up: given 'int9' (text); allowed: raw |"
            " exact | bf16 | int8 | small",
        ),
        (
            "variants:\n  a: {.x: 3}",
            "FILE:4: variant 'a': '.x' is no key; wanted: federation.nodes",
        ),
        ("variants:\n  a: 3", "FILE:4: variants.a: given 3 (number); allowed: a mapping of keys"),
        ("variants: {a: {}}\nvarients: {}", "FILE:4: unknown key 'varients'; did you mean 'varia"),
        ("seeds: [1]", "variants: missing; wanted: variants by name, or a grid"),
        ("variants: {a: {}}\nseeds: [1, 1]", "FILE:4: seeds: names 1 twice"),
        ("variants: {a: {}}\nreference: b", "FILE:4: reference: no variant 'b'"),
        (
            "variants: {first: {}}\nreference: frist",
            "no variant 'frist' (did you mean 'first'?); allowed: first",
        ),
        (
            "variants: {a: {}, b: {federation.nodes: 2}}",
            "FILE: variants 'a' and 'b' are the same experiment: take one of them out",
        ),
        ("grid: {codec.up: []}", "FILE:3: grid.codec.up: given an empty list"),
        ("grid: {codec.up: [raw, raw]}", "FILE: two variants are named 'up raw'"),
        (
            "grid: {a: [1,2,3,4,5,6,7,8,9,0], b: [1,2,3,4,5,6,7,8,9,0], c: [1,2,3,4,5,6]}",
            "FILE:3: grid: makes 600 variants; allowed: 500 at most",
        ),
        ('variants: {"a\\nb": {}}', "FILE:3: variants: no name: 'a\\nb'"),
    ],
)
def test_mistakes_are_told_in_one_line_with_their_place(
    tmp_path: Path, changes: str, said: str
) -> None:
    assert said in refused(tmp_path, f"name: s\n{BASE}\n{changes}\n")


def test_a_mistake_in_the_base_has_its_line(tmp_path: Path) -> None:
    text = "name: s\nbase:\n  task: mnist_softmax\n  federation:\n    nodes: x\nvariants: {a: {}}\n"
    assert refused(tmp_path, text).startswith("FILE:5: base.federation.nodes: given 'x' (text)")


def test_experiment_files_are_variants(tmp_path: Path) -> None:
    paths = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    paths[0].write_text("{name: a, task: mnist_softmax, seeds: [1, 2]}")
    paths[1].write_text("{name: b, task: mnist_mlp}")
    found = plan_of(paths)
    assert [(v.name, v.seeds) for v in found.variants] == [("a", (1, 2)), ("b", (1,))]
    assert (found.name, found.text) == ("a-and-1-more", "")
    assert [cell.title for cell in found.cells("")] == ["a, seed 1", "b, seed 1", "a, seed 2"]
    with pytest.raises(ExperimentError, match="two variants are named 'a'"):
        plan_of([paths[0], paths[0]])
    paths[1].write_text("{name: c, base: a.yaml, variants: {x: {}}}")
    with pytest.raises(ExperimentError, match=r"b.yaml' is a comparison file: name it alone"):
        plan_of(paths)


def test_keys_tell_runs_apart_and_names_do_not(tmp_path: Path) -> None:
    text = f"{{name: s, {BASE}, variants: {{a: {{}}, b: {{codec.up: int8}}}}, seeds: [1, 2]}}"
    keys = [cell.key for cell in read(tmp_path, text).cells("here")]
    assert len(set(keys)) == 4
    renamed = text.replace("name: s", "name: t").replace("a:", "z:").replace("[1, 2]", "[2, 1]")
    assert set(keys) == {cell.key for cell in read(tmp_path, renamed).cells("here")}
    assert not set(keys) & {cell.key for cell in read(tmp_path, text).cells("elsewhere")}


def test_an_unknown_variant_has_a_near_match(tmp_path: Path) -> None:
    found = read(tmp_path, f"{{name: s, {BASE}, variants: {{one: {{}}, two: {{codec.up: raw}}}}}}")
    assert found.variant("two").name == "two"
    with pytest.raises(UsageError, match=r"no variant 'tow'; did you mean 'two'\?"):
        found.variant("tow")
    with pytest.raises(UsageError, match=r"no variant 'xyz' \(there are: one, two\)"):
        found.variant("xyz")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments" / "compare").glob("*.yaml")), ids=lambda p: p.stem
)
def test_the_committed_comparisons_are_sound(path: Path) -> None:
    found = plan_of([path])
    assert len(found.variants) >= 2
    assert found.description
    data, _ = yamlfile.read(path.read_text())
    assert data["name"] in (path.stem, "quick-comparison")
