"""Segmentation on nodes: masks travel, IoU comes back by class and node, the report shows it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from fedbed.client import Client
from tests.e2e.bench import result_of, submit

pytestmark = pytest.mark.e2e
CLASSES = ["clear", "thick_cloud", "thin_cloud", "shadow"]
CLOUDS = [
    "task={name: clouds_unet, args: {width: 8, loss: dice_ce}}",
    "data.dataset=synthetic-clouds",
    "data.train_samples=48",
    "data.test_samples=16",
    "data.image_size=32",
    "data.partition=groups",
    "federation.rounds=3",
    "federation.local_epochs=0.5",
    "federation.batch_size=4",
    "federation.evaluate=both",
    "optimizer={name: adamw, lr: 0.003, moments: average}",
    "centralised.batch_size=8",
]


def test_clouds_are_learnt_by_scene_and_shown(client: Client, tmp_path: Path) -> None:
    result = result_of(client, submit(client, *CLOUDS, twin=True), tmp_path)
    folder = tmp_path / result["id"]

    assert (result["metric"], result["classes"]) == ("mean_iou", CLASSES)
    last = result["history"][-1]
    assert last["loss"] < result["initial"]["loss"]
    assert 0 < result["final"]["federated"] < 1
    assert 0 < result["final"]["centralised"] < 1
    for side in ("federated", "centralised"):
        matrix = result["confusion"][side]
        assert sum(map(sum, matrix)) == 16 * 32 * 32, "each pixel of the test set once"
        hits = [matrix[i][i] for i in range(4)]
        unions = [sum(matrix[i]) + sum(row[i] for row in matrix) - hits[i] for i in range(4)]
        ious = [hit / union for hit, union in zip(hits, unions, strict=True) if union]
        assert result["final"][side] == pytest.approx(sum(ious) / len(ious), abs=1e-4)
    # Nodes test on scenes of their own, and each says what it found.
    assert set(last["scores"]) == {"0", "1"}
    assert [node["metrics"]["num-examples"] for node in last["nodes"]] == [24, 24]

    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert any("iou" in column for column in rows[0])
    report = (folder / "report.html").read_text()
    assert "It learns in a way of its own: with batch size 8." in report
    assert report.count("data:image/png;base64,") >= 4, "images, masks and what both sides say"
    for name in CLASSES:
        assert name.replace("_", " ") in report
