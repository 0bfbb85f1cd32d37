"""Draws docs/images/parts.svg: `python docs/images/draw_parts.py`."""

from __future__ import annotations

import itertools
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 960, 630
STYLE = """
  text { font: 15px system-ui, sans-serif; fill: #1d2733; }
  .title { font-weight: 600; font-size: 17px; }
  .small { font-size: 13px; fill: #52606d; }
  .box { fill: #ffffff; stroke: #52606d; stroke-width: 1.5; rx: 10; }
  .inner { fill: #eef3f8; stroke: #9fb3c8; rx: 7; }
  .flower { fill: #fdf3e1; stroke: #d9a441; rx: 7; }
  .arrow { stroke: #2b6cb0; stroke-width: 2; fill: none; marker-end: url(#tip); }
  .pipe { stroke: #9fb3c8; stroke-width: 1.5; fill: none; marker-end: url(#grey); }
"""


def box(x: int, y: int, w: int, h: int, kind: str, title: str = "", *lines: str) -> str:
    """Return a rectangle with a title and small lines below it."""
    parts = [f'<rect class="{kind}" x="{x}" y="{y}" width="{w}" height="{h}"/>']
    if title:
        parts.append(f'<text class="title" x="{x + 14}" y="{y + 26}">{escape(title)}</text>')
    parts += [
        f'<text class="small" x="{x + 14}" y="{y + 48 + 18 * i}">{escape(line)}</text>'
        for i, line in enumerate(lines)
    ]
    return "\n".join(parts)


def arrow(kind: str, path: str) -> str:
    """Return an arrow along an SVG path."""
    return f'<path class="{kind}" d="{path}"/>'


def label(x: int, y: int, text: str) -> str:
    """Return a small caption."""
    return f'<text class="small" x="{x}" y="{y}" text-anchor="middle">{escape(text)}</text>'


def monitoring() -> list[str]:
    """Return the strip below: samples and rounds on their way to who looks at them."""
    chain = [
        (40, 175, "Grafana", "dashboards, alerts"),
        (255, 202, "InfluxDB", "30 days; minutes for a year"),
        (497, 189, "Telegraf", "samples, broker, Docker"),
        (726, 200, "MQTT broker", "states and commands, too"),
    ]
    parts = [
        box(20, 502, 920, 108, "box"),
        '<text class="small" x="40" y="522">monitoring: no training needs it</text>',
    ]
    parts += [box(x, 532, width, 64, "inner", title, line) for x, width, title, line in chain]
    parts += [
        arrow("pipe", f"M{right[0]} 564 H{left[0] + left[1] + 4}")
        for left, right in itertools.pairwise(chain)
    ]
    return [
        *parts,
        arrow("pipe", "M400 450 V528"),
        label(350, 480, "rounds, costs"),
        arrow("pipe", "M826 450 V528"),
        label(758, 480, "a sample a second"),
    ]


def picture() -> str:
    """Return the whole drawing."""
    parts = [
        box(20, 20, 430, 430, "box", "coordinator"),
        box(
            40,
            65,
            180,
            150,
            "inner",
            "daemon",
            "REST API, fleet, queue",
            "live page",
            "rounds close here",
            "SQLite, blobs",
        ),
        box(
            250,
            65,
            180,
            150,
            "flower",
            "a run's process",
            "Flower strategy",
            "EdgeGrid",
            "checkpoints",
            "centralised twin",
        ),
        box(
            40,
            300,
            390,
            110,
            "inner",
            "runs/<id>/",
            "report.html, result.json, metrics.csv",
            "experiment.yaml as resolved, partition.npz, model.npz",
            "kept after every round; survives kill -9",
        ),
        arrow("pipe", "M220 120 H246"),
        arrow("pipe", "M250 160 H224"),
        arrow("pipe", "M340 215 V296"),
        label(306, 262, "results"),
    ]
    for i, name in enumerate(("node-1", "node-2", "node-3 …")):
        y = 20 + i * 148
        parts += [
            box(610, y, 330, 134, "box", name),
            box(626, y + 40, 140, 82, "inner", "agent", "26 MB, no torch", "spool, identity"),
            box(790, y + 40, 136, 82, "flower", "worker", "torch, warm", "one per run"),
            arrow("pipe", f"M766 {y + 72} H786"),
            arrow("pipe", f"M790 {y + 92} H770"),
        ]
    for y in (100, 235, 370):
        target = 110 + (y - 100) // 4
        parts.append(arrow("arrow", f"M626 {y} C 560 {y} 520 {target} 454 {target}"))
    parts += [
        label(530, 388, "one outbound link:"),
        label(530, 406, "open poll = heartbeat,"),
        label(530, 424, "model down,"),
        label(530, 442, "update up"),
        *monitoring(),
    ]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="A coordinator with a process per run; nodes with agent and worker; '
        'monitoring">\n'
        f"<style>{STYLE}</style>\n"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#2b6cb0"/></marker>'
        '<marker id="grey" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#9fb3c8"/></marker></defs>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#f7f9fb"/>\n{body}\n</svg>\n'
    )


if __name__ == "__main__":
    Path(__file__).with_name("parts.svg").write_text(picture(), encoding="utf-8")
