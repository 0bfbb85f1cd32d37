from __future__ import annotations

from pathlib import Path

import pytest

from fedbed.cli import flowerapp
from fedbed.errors import ExperimentError

APP = """
[project]
name = "my-app"
[tool.flwr.app.components]
serverapp = "my.server:app"
clientapp = "my.client:app"
[tool.flwr.app.config]
num-server-rounds = 3
opt.lr = 0.1
name = "a b"
flag = true
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(APP)
    return tmp_path


def test_an_app_is_read_as_flwr_reads_it(app: Path) -> None:
    assert flowerapp.is_app(app)
    found = flowerapp.read(app, ["num-server-rounds=5 name='x y'", "opt.lr=1e-3 flag=false"])
    assert (found.name, found.serverapp, found.clientapp) == (
        "my-app",
        "my.server:app",
        "my.client:app",
    )
    assert found.nodes is None
    assert found.run_config == {
        "num-server-rounds": 5,
        "opt.lr": 0.001,
        "name": "x y",
        "flag": False,
    }


def test_values_are_typed_as_flwr_types_them() -> None:
    config = pytest.importorskip("flwr.common.config")
    text = "a=1 b=2.5 c=true d='x y' e=\"z\" f.g=-3"
    assert flowerapp.parse_run_config(text) == config.parse_config_args([text])


def test_the_default_federation_says_how_many_nodes(app: Path) -> None:
    more = '[tool.flwr.federations]\ndefault="x"\n[tool.flwr.federations.x]\n'
    more += "options.num-supernodes = 10\n"
    (app / "pyproject.toml").write_text(APP + more)
    assert flowerapp.read(app).nodes == 10


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("num-server-round=5", "did you mean 'num-server-rounds'?"),
        ("zzz=5", "it has: flag, name, num-server-rounds, opt.lr"),
        ("name=abc", "texts in quotes"),
        ("num-server-rounds 5", "not of the form key=value"),
        ("flag=[1]", "is a list"),
    ],
)
def test_what_cannot_be_meant_is_refused(app: Path, override: str, wanted: str) -> None:
    with pytest.raises(ExperimentError, match="--run-config") as caught:
        flowerapp.read(app, [override])
    assert wanted in str(caught.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, "no pyproject.toml"),
        ("[[[", "no valid TOML"),
        ("[project]\nname='x'\n", "names no serverapp"),
        (APP.replace("my.client:app", "client"), "names no clientapp"),
    ],
)
def test_what_is_no_app(tmp_path: Path, text: str | None, wanted: str) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ExperimentError, match=wanted):
        flowerapp.read(tmp_path)
