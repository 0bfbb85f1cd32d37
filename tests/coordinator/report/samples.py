"""Results as runs leave them, made up but with the proportions of real ones."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from fedbed.tasks import measures

EXPERIMENT = """\
name: {name}
description: Federated averaging over nodes that know few digits each.
task: mnist_mlp
seed: 7
data:
  dataset: mnist
  partition:
    scheme: dirichlet
    alpha: 0.5
federation:
  nodes: {nodes}
  fraction: 1.0
  rounds: {rounds}
  local_epochs: 1
  batch_size: 32
  learning_rate: 0.05
  evaluate: server
  min_fraction: 0.3
  deadline: 2m
codec:
  values: bfloat16
  compress: zstd
strategy: fedavg
twin: true
"""


def experiment(
    nodes: int = 4, rounds: int = 10, *, lose: bool = True, names: str = "pi-{:02d}"
) -> dict[str, Any]:
    """Return a finished experiment; with `lose`, two nodes miss a few rounds."""
    chance = random.Random(7)
    called = [names.format(place + 1) for place in range(nodes)]
    speed = [chance.uniform(0.8, 1.9) for _ in range(nodes)]
    counts = [_dirichlet(chance, 60_000 // nodes) for _ in range(nodes)]
    history: list[dict[str, Any]] = []
    twin: list[dict[str, Any]] = []
    for index in range(1, rounds + 1):
        missing = {}
        if lose and index in (3, 4):
            missing["1"] = "the node was lost"
        if lose and index == 7 and nodes > 2:
            missing["2"] = "no answer within 2 min"
        rows = [
            _node(chance, place, called[place], speed[place], index, sum(counts[place]))
            for place in range(nodes)
            if str(place) not in missing
        ]
        longest = max(sum(_seconds(row)) for row in rows)
        aggregate, evaluate = chance.uniform(0.02, 0.05), chance.uniform(0.18, 0.24)
        wall = longest + aggregate + evaluate + chance.uniform(0.01, 0.06)
        learned = 1 - math.exp(-0.55 * index)
        history.append(
            {
                "round": index,
                "accuracy": round(0.62 + 0.355 * learned + chance.uniform(-0.003, 0.003), 4),
                "loss": 1.3 - 1.21 * learned + chance.uniform(-0.008, 0.008),
                "train_loss": 1.5 - 1.44 * learned,
                "metrics": {"accuracy": 0.5, "update_norm": 2.0 / index},
                "asked": nodes,
                "participants": len(rows),
                "missing": missing,
                "reason": "deadline" if missing else "all in",
                "wall_s": wall,
                "overhead_s": wall - max(row["timeline"]["work_s"] for row in rows),
                "evaluate_s": evaluate,
                "aggregate_s": aggregate,
                "bytes_up": sum(row["bytes_up"] for row in rows),
                "bytes_down": sum(row["timeline"]["bytes_down"] for row in rows),
                "nodes": rows,
            }
        )
        learned = 1 - math.exp(-0.8 * index)
        twin.append(
            {
                "round": index,
                "accuracy": round(0.66 + 0.3228 * learned + chance.uniform(-0.001, 0.001), 4),
                "loss": 1.1 - 1.04 * learned,
                "train_loss": 1.2 - 1.17 * learned,
                "wall_s": chance.uniform(2.5, 2.8),
            }
        )
    final = {"federated": history[-1]["accuracy"], "centralised": twin[-1]["accuracy"]}
    overheads = sorted(row["overhead_s"] for row in history)
    wall = sum(row["wall_s"] for row in history)
    return {
        "id": "20260509-140301-mnist",
        "name": "mnist-mlp-dirichlet",
        "description": "Federated averaging over nodes that know few digits each.",
        "kind": "experiment",
        "task": "mnist_mlp",
        "dataset": "mnist",
        "metric": "accuracy",
        "seed": 7,
        "rounds": rounds,
        "rounds_planned": rounds,
        "final": final,
        "best": {
            "federated": max(row["accuracy"] for row in history),
            "centralised": max(row["accuracy"] for row in twin),
        },
        "gap": final["centralised"] - final["federated"],
        "bytes_up": sum(row["bytes_up"] for row in history),
        "bytes_down": sum(row["bytes_down"] for row in history),
        "wall_s": wall + 27.4,
        "federated_s": wall,
        "twin_s": sum(row["wall_s"] for row in twin),
        "overhead_s": {"median": overheads[len(overheads) // 2], "max": overheads[-1]},
        "verdict": {
            "status": "tainted" if lose else "clean",
            "reasons": [f"{called[1]} was lost in rounds 3 and 4"] if lose else [],
        },
        "state": "finished",
        "error": None,
        "history": history,
        "twin": twin,
        "nodes": [
            {
                "partition": place,
                "name": name,
                "train_samples": sum(counts[place]),
                "test_samples": 0,
                "class_counts": counts[place],
                "profile": {
                    "machine": "Raspberry Pi 4 Model B" if place % 3 else "Jetson Nano",
                    "system": "Linux 6.6 aarch64",
                    "python": "3.11.2" if place % 3 else "3.8.10",
                    "agent": "0.1.0",
                    "cpus": 4,
                    "memory_bytes": 4_005_000_000,
                    "packages": {"torch": "2.4.1" if place % 3 else "2.0.0", "numpy": "1.26.4"},
                },
                "agent": {
                    "rss_bytes": 26_400_000 + 100_000 * place,
                    "cpu_s": 1.9 + 0.1 * place,
                    "uptime_s": 912.0,
                },
            }
            for place, name in enumerate(called)
        ],
        "partition": {
            "scheme": "dirichlet",
            "args": {"alpha": 0.5},
            "hash": "9f2c4be1d07a55e3",
            "train_sizes": [sum(held) for held in counts],
        },
        "classes": [str(digit) for digit in range(10)],
        "versions": {
            "fedbed": "0.1.0",
            "python": "3.12.4",
            "torch": "2.4.1",
            "flwr": "1.42.0",
            "numpy": "1.26.4",
        },
        "commit": "3f9ab2c71d",
        "machine": {"cpus": 8, "memory_bytes": 33_500_000_000, "system": "Linux 6.8 x86_64"},
        "started_at": 1_778_335_381.25,
        "experiment": EXPERIMENT.format(name="mnist-mlp-dirichlet", nodes=nodes, rounds=rounds),
    }


def segmentation(rounds: int = 5) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a run on masks with its predictions: blots of four classes, some of them missed."""
    result = experiment(3, rounds)
    chance = np.random.RandomState(7)
    for part in ("history", "twin"):
        for row in result[part]:
            row["mean_iou"] = row["accuracy"] - 0.3
            row["metrics"] = {"accuracy": row["accuracy"], "mean_iou": row["mean_iou"]}
    for row in result["history"]:
        row["tests"] = [
            {"partition": p, "name": f"pi-{p + 1:02d}", "metrics": {"mean_iou": 0.5 + p / 10}}
            for p in range(3)
        ]
    for key in ("final", "best"):
        result[key] = {side: value - 0.3 for side, value in result[key].items()}
    coarse = chance.randint(0, 4, (4, 10, 16))
    truth = coarse.repeat(16, axis=1).repeat(16, axis=2).astype(np.uint8)
    colours = np.array([[90, 120, 70], [235, 235, 240], [170, 170, 180], [40, 50, 45]])
    noise = chance.randint(-30, 30, (*truth.shape, 3))
    predictions: dict[str, Any] = {
        "index": np.array([31, 5, 60, 12]),
        "images": np.clip(colours[truth] + noise, 0, 255).astype(np.uint8),
        "truth": truth,
    }
    for side, wrong in (("federated", 0.3), ("centralised", 0.15)):
        missed = chance.random_sample(coarse.shape) < wrong
        said = np.where(missed, (coarse + 1) % 4, coarse)
        predictions[side] = said.repeat(16, axis=1).repeat(16, axis=2).astype(np.uint8)
    confusion = {
        side: measures.confusion(truth, predictions[side], 4).tolist()
        for side in ("federated", "centralised")
    }
    result |= {
        "task": "clouds_unet",
        "task_args": {"width": 16, "loss": "dice"},
        "dataset": "synthetic-clouds",
        "metric": "mean_iou",
        "classes": ["clear", "thick_cloud", "thin_cloud", "shadow"],
        "confusion": confusion,
    }
    for node in result["nodes"]:
        node["class_counts"] = node["class_counts"][:4]
    return result, predictions


def app() -> dict[str, Any]:
    """Return a Flower app's result: no twin, no partition, metrics of its own naming."""
    result = experiment(3, 6, lose=False, names="laptop-{}")
    for key in ("twin", "partition", "classes", "final", "best", "gap", "metric", "twin_s"):
        del result[key]
    for key in ("task", "dataset", "seed", "experiment"):
        result[key] = None
    for row in result["history"]:
        index = row["round"]
        del row["accuracy"], row["loss"], row["train_loss"]
        row["metrics"] = {"eval_f1": 0.9 - 0.4 / index, "val-perplexity": 30 / index + 2.25}
    for node in result["nodes"]:
        del node["class_counts"], node["train_samples"], node["test_samples"]
    return result | {"kind": "app", "name": "quickstart-pytorch", "description": ""}


def stopped() -> dict[str, Any]:
    """Return a run that was stopped after the first of ten rounds."""
    result = experiment(4, 1, lose=False)
    return result | {
        "rounds_planned": 10,
        "state": "stopped",
        "error": "Stopped by an operator.",
        "verdict": {"status": "clean", "reasons": []},
    }


def _node(
    chance: random.Random, place: int, name: str, speed: float, index: int, samples: int
) -> dict[str, Any]:
    return {
        "partition": place,
        "name": name,
        "metrics": {"num-examples": samples, "train_loss": 1.4 / index},
        "bytes_up": 201_400 + chance.randrange(900),
        "upload_s": chance.uniform(0.06, 0.12),
        "timeline": {
            "wait_s": chance.uniform(0.002, 0.01),
            "download_s": chance.uniform(0.05, 0.1),
            "start_s": chance.uniform(2.2, 2.9) if index == 1 else 0.0,
            "decode_s": chance.uniform(0.01, 0.02),
            "work_s": speed * chance.uniform(0.95, 1.08) * samples / 9000,
            "encode_s": chance.uniform(0.02, 0.04),
            "bytes_down": 203_552,
            "cpu_s": speed * 1.1,
            "peak_rss_bytes": 310_000_000 + chance.randrange(9_000_000),
        },
    }


def _seconds(row: dict[str, Any]) -> list[float]:
    timeline = [value for key, value in row["timeline"].items() if key.endswith("_s")]
    return [*timeline, row["upload_s"], -row["timeline"]["cpu_s"]]


def _dirichlet(chance: random.Random, samples: int) -> list[int]:
    shares = [chance.gammavariate(0.5, 1) for _ in range(10)]
    return [round(samples * share / sum(shares)) for share in shares]
