from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from coordinator.fleet.fleet import Fleet, Member
from coordinator.runs.spec import RunSpec, new_run_id
from fedbed import tasks
from fedbed.errors import ExperimentError
from fedbed.link.messages import (
    ADVERSARY,
    IMAGE_SIZE,
    STRAGGLER,
    BlobRef,
    JoinRequest,
    NodeProfile,
)
from tests.fedbed.data import painting

EXPERIMENT = """
name: two
task: mlp
federation: {nodes: 4, min_nodes: 2, rounds: 1}
"""


def member(packages: dict[str, str], apps: bool = False, abilities: Sequence[str] = ()) -> Member:
    profile = NodeProfile(packages=packages, abilities=list(abilities))
    return Fleet().join(JoinRequest("pi", "0a" * 32, profile, apps_allowed=apps), 0.0)[0]


def app(**fields: object) -> RunSpec:
    data: dict[str, object] = {
        "name": "app",
        "bundle": {"sha256": "ab" * 32, "size": 3},
        "serverapp": "a:b",
        "clientapp": "a:c",
    }
    return RunSpec.of({**data, **fields})


def test_a_spec_survives_json() -> None:
    spec = app(run_config={"lr": 0.1}, codec_up="small", codec_down="bf16")
    assert RunSpec.of(json.loads(json.dumps(asdict(spec)))) == spec
    assert spec.bundle == BlobRef("ab" * 32, 3)
    plain = RunSpec("x", EXPERIMENT, seed=4, twin=True)
    assert RunSpec.of(json.loads(json.dumps(asdict(plain)))) == plain


def test_kinds() -> None:
    assert app().kind == "app"
    assert RunSpec("x", EXPERIMENT).kind == "experiment"


@pytest.mark.parametrize(
    "spec",
    [
        RunSpec("x", "task: nonsense"),
        RunSpec("x", ""),
        app(serverapp=""),
        app(clientapp=""),
        app(nodes=0),
    ],
)
def test_what_cannot_be_run_is_refused(spec: RunSpec) -> None:
    with pytest.raises(ExperimentError):
        spec.check()


def test_what_a_run_needs() -> None:
    need = app(nodes=3).need()
    assert (need.nodes, need.min_nodes) == (3, 3)


def test_virtual_nodes_need_their_agents_alone() -> None:
    text = "{name: x, task: mnist_softmax, federation: {nodes: 100, agents: 4}}"
    spec = RunSpec("x", text)
    assert (spec.need().nodes, spec.need().min_nodes) == (4, 4)
    assert (spec.partitions, spec.is_virtual) == (100, True)
    assert (app(nodes=3).partitions, app(nodes=3).is_virtual) == (3, False)


def test_what_a_node_lacks() -> None:
    assert "--allow-apps" in app().lacks(member({"flwr": "1.41"}))
    assert app().lacks(member({"flwr": "1.41"}, apps=True)) == ""


def test_what_a_node_needs_to_read_its_own_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path))
    monkeypatch.setitem(
        tasks._TASKS, "mnist_softmax", tasks._Task("none", (8, 8, 3), ("numpy",), "masks")
    )
    painting.toy(tmp_path / "spec-toy")
    text = (tmp_path / "spec-toy" / "card.yaml").read_text().replace("toy", "spec-toy", 1)
    (tmp_path / "spec-toy" / "card.yaml").write_text(text)

    def spec(**keys: str) -> RunSpec:
        section = {"dataset": "spec-toy", "image_size": 8, **keys}
        return RunSpec("x", json.dumps({"name": "x", "task": "mnist_softmax", "data": section}))

    both = {"numpy": "2.0", "pillow": "11.0"}
    assert spec().lacks(member(both, abilities=[IMAGE_SIZE])) == ""
    assert spec().lacks(member(both)) == "can't scale pictures down (update its agent)"
    plain = member({"numpy": "2.0"}, abilities=[IMAGE_SIZE])
    assert spec().lacks(plain) == "has no pillow in its worker's interpreter"
    shipped = spec(delivery="shipped")
    assert shipped.lacks(member({"numpy": "2.0"})) == ""


@pytest.mark.parametrize(
    ("section", "ability", "part"),
    [("adversaries", ADVERSARY, "an adversary"), ("stragglers", STRAGGLER, "a straggler")],
)
def test_an_old_agent_plays_no_part(section: str, ability: str, part: str) -> None:
    text = f"{{name: x, task: mnist_softmax, {section}: {{nodes: 1}}}}"
    able, old = member({"numpy": "2"}), member({"numpy": "2"})
    able.profile.abilities = [ability]
    assert RunSpec("x", text).lacks(able) == ""
    assert RunSpec("x", text).lacks(old) == f"can't play {part} (update its agent)"


def test_a_run_is_known_when_its_data_set_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path))
    section = {"dataset": "gone", "delivery": "shared", "image_size": 8}
    spec = RunSpec("x", json.dumps({"name": "x", "task": "mnist_softmax", "data": section}))
    with pytest.raises(ExperimentError, match="unknown data set 'gone'"):
        spec.check()
    assert spec.need().nodes == 4
    assert spec.lacks(member({"numpy": "2.0"}, abilities=[IMAGE_SIZE])) == ""


CLIPPED = """
name: private
task: mnist_softmax
federation:
  strategy:
    name: AverageOfRounds
    args:
      strategy:
        name: DifferentialPrivacyClientSideFixedClipping
        args: {noise_multiplier: 0.1, clipping_norm: 1.0}
"""


def test_a_node_that_cannot_clip_takes_no_part_where_its_privacy_hangs_on_it() -> None:
    old, new = member({"numpy": "1.24"}), member({"numpy": "1.24"}, abilities=["clipping"])
    spec = RunSpec("x", CLIPPED)
    assert spec.lacks(old) == "can't shorten its updates (update its agent)"
    assert spec.lacks(new) == ""
    on_server = CLIPPED.replace("ClientSide", "ServerSide")
    assert RunSpec("x", on_server).lacks(old) == ""


def test_ids_sort_by_time_and_name_the_experiment() -> None:
    made = new_run_id("My Réseau: 1")
    assert re.fullmatch(r"\d{8}-\d{6}-my-r-seau-1-[0-9a-f]{4}", made)
    assert new_run_id("...").split("-")[2] == "run"
    assert len(new_run_id("x" * 300)) <= 96
