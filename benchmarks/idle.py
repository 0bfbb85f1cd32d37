"""What a node costs that waits for work, here and with stock Flower."""

from __future__ import annotations

import time
from collections.abc import Sequence

import psutil

from benchmarks import memory
from benchmarks.rows import Row
from benchmarks.stock import PeerAway, StockFlower
from fedbed.testbed import LocalTestbed

NODES = 4
STOCK_NODES = 2
SETTLE_S = 2.0
STOCK = "stock Flower"


def measure(quick: bool) -> list[Row]:
    """Memory and CPU: the most expensive of our four agents beside the cheapest SuperNode."""
    watch_s = 5.0 if quick else 30.0
    with LocalTestbed(nodes=NODES) as testbed:
        agents = [[psutil.Process(p.pid)] for p in testbed.processes[1:]]
        time.sleep(SETTLE_S)
        share = max(_shares(agents, watch_s))
        ours = max((memory.of(agent) for agent in agents), key=lambda m: m.resident)
    peer: memory.Memory | None = None
    peer_share, why = None, ""
    try:
        with StockFlower(nodes=STOCK_NODES) as flower:
            time.sleep(SETTLE_S)
            peer_share = min(_shares(flower.supernodes(), watch_s))
            peer = flower.idle_memory()
    except PeerAway as error:
        why = str(error)
    return rows(ours, share, peer, peer_share, why)


def rows(
    ours: memory.Memory,
    share: float,
    peer: memory.Memory | None,
    peer_share: float | None,
    why_not: str,
) -> list[Row]:
    """Lay memory and shares of a core (%) beside each other; `why_not` if there is no peer."""
    note = why_not
    if peer is not None:
        note = (
            f"shared pages shared out: {ours.own:.1f} MB beside {peer.own:.0f} MB, "
            f"{peer.own / ours.own:.1f} times"
        )
    stood = None if peer is None else peer.resident
    return [
        Row(
            "idle node (stock: SuperNode + SuperExec), resident memory",
            ours.resident,
            "MB",
            goal=8,
            at_least=True,
            of_ratio=True,
            peer=stood,
            peer_name=STOCK,
            note=note,
        ),
        Row("idle agent, resident memory", ours.resident, "MB", goal=30),
        Row(
            "idle agent, share of a core",
            share,
            "%",
            goal=0.5,
            peer=peer_share,
            peer_name=STOCK,
            note="" if peer_share is not None else why_not,
        ),
    ]


def _shares(trees: Sequence[Sequence[psutil.Process]], watch_s: float) -> list[float]:
    """Return the share of a core, in %, that each group of processes used while watched."""
    began = time.monotonic()
    before = [memory.cpu_s(tree) for tree in trees]
    time.sleep(watch_s)
    elapsed = time.monotonic() - began
    return [
        100 * (memory.cpu_s(tree) - start) / elapsed
        for tree, start in zip(trees, before, strict=True)
    ]
