from __future__ import annotations

from pathlib import Path

import pytest

import fedbed.data
from fedbed import experiment
from fedbed.cli import targets
from fedbed.cli.demo import examples_dir
from fedbed.errors import DataError, ExperimentError, UsageError

DEMO = examples_dir() / "demo.yaml"
MNIST = experiment.override(experiment.load(DEMO), ["data.dataset=mnist"])


@pytest.fixture
def no_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: object, **__: object) -> list[str]:
        raise DataError("no network")

    monkeypatch.setenv("FEDBED_DATA", str(tmp_path))
    monkeypatch.setattr(fedbed.data, "fetch", fetch)


def test_an_experiment_is_sent_whole() -> None:
    wanted = targets.load_experiment(DEMO, ["federation.rounds=2"], nodes=3)
    target = targets.of_experiment(wanted, None, twin=True)
    assert (target.name, target.nodes) == ("demo", 3)
    sent = experiment.loads(target.spec["experiment"], "sent")
    assert (sent.federation.rounds, sent.federation.nodes) == (2, 3)
    assert target.spec["seed"] == wanted.seeds[0]
    assert targets.of_experiment(wanted, 7, twin=False).spec["seed"] == 7


def test_auto_becomes_digits_of_our_own_where_mnist_cannot_be_had(no_mnist: None) -> None:
    said: list[str] = []
    found = targets.with_data(experiment.load(DEMO), said.append)
    assert found.data.dataset == "synthetic-digits"
    assert len(said) == 1
    assert said[0].startswith("data: synthetic-digits (drawn by fedbed: MNIST is not on this")


def test_mnist_that_is_missing_is_an_error_with_its_cure(no_mnist: None) -> None:
    with pytest.raises(DataError, match="fedbed data fetch mnist"):
        targets.with_data(MNIST, print)


def test_auto_becomes_mnist_where_it_is_present(monkeypatch: pytest.MonkeyPatch) -> None:
    present = fedbed.data.FileStatus("x", "present", None)
    monkeypatch.setattr(fedbed.data, "status", lambda _card: [present])
    said: list[str] = []
    assert targets.with_data(experiment.load(DEMO), said.append).data.dataset == "mnist"
    assert said == ["data: mnist (it is on this machine)"]


def test_auto_becomes_mnist_where_it_can_be_fetched(
    no_mnist: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fedbed.data, "fetch", lambda _card, timeout_s: ["x"])
    assert targets.with_data(experiment.load(DEMO), lambda _: None).data.dataset == "mnist"


def test_what_is_nothing_to_run(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="there is no"):
        targets.is_app_folder(tmp_path / "nothing")
    with pytest.raises(ExperimentError, match="neither an experiment file nor"):
        targets.is_app_folder(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[[[")
    assert targets.is_app_folder(tmp_path)  # and reading it says what is wrong with it


def test_examples_lie_in_the_wheel_where_there_is_no_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site-packages" / "fedbed" / "__init__.py"
    (tmp_path / "site-packages" / "experiments").mkdir(parents=True)
    monkeypatch.setattr("fedbed.__file__", str(installed))
    assert examples_dir() == installed.parent / "experiment" / "examples"


APP = Path(__file__).parents[2] / "apps" / "quickstart"


def test_an_app_s_models_may_travel_in_another_profile() -> None:
    target = targets.of_app(APP, [], ["codec.up=small", "codec.down=bf16"], nodes=3)
    assert (target.spec["codec_up"], target.spec["codec_down"]) == ("small", "bf16")
    assert "codec_up" not in targets.of_app(APP, [], [], nodes=3).spec


@pytest.mark.parametrize(
    ("assignment", "wanted"),
    [
        ("codec.up=fancy", "'fancy' is none of raw, exact, bf16, int8, small"),
        ("codec.down=small", "'small' is none of raw, exact, bf16, int8"),
        ("codec.up", "'' is none of raw"),
        ("federation.rounds=3", "for --run-config"),
    ],
)
def test_what_set_cannot_change_of_an_app(assignment: str, wanted: str) -> None:
    with pytest.raises(UsageError, match="--set") as caught:
        targets.of_app(APP, [], [assignment], nodes=3)
    assert wanted in str(caught.value)
