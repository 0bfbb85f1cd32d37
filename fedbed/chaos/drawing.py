"""A campaign as one page that needs no network: each run as a bar of its rounds, faults marked."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fedbed.chaos import report
from fedbed.chaos.campaign import Campaign
from fedbed.chaos.strikes import Struck
from fedbed.chaos.trial import Outcome
from fedbed.units import format_duration

ROW, BAR = 22, 14
LEFT, WIDTH, RIGHT = 360, 740, 230
_TONES = {"starting": "#d5d9df", "report": "#d5d9df", "round": ("#7aa6d8", "#a9c6e8")}
_FAULT, _GOOD, _BAD = "#d1495b", "#2e7d4f", "#b00020"
_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; color: #1d2430; }
body { margin: 2rem auto; padding: 0 1.5rem; max-width: 1340px; }
svg { width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: #1d2430; }
svg text.s { fill: #5b6675; } .bad { color: #b00020; } li { margin: .2rem 0; }
"""


def page(campaign: Campaign) -> str:
    """Render chaos.html."""
    name = escape(campaign.scenario.name)
    broken = campaign.broken()
    verdict = "".join(f"<li class=bad>{escape(n)}: {escape(str(b))}</li>" for n, b in broken)
    held = f"<ul>{verdict}</ul>" if broken else "<p>Every invariant held.</p>"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>chaos: {name}</title>"
        f"<style>{_STYLE}</style><h1>chaos: {name}</h1>"
        f"<p>{escape(campaign.scenario.description)}</p>"
        f"<p>{escape(report.headline(campaign))}. Seed {campaign.seed}, "
        f"{escape(format_duration(campaign.wall_s))} in all.</p>{held}{drawing(campaign)}"
        "<p>Blue: rounds. Grey: start and report. Red: from the fault to its end; the line after "
        "it ends where the victim was back. Right: seconds more than the undisturbed run, and "
        "whether the model is the same, bit for bit.</p></html>\n"
    )


def drawing(campaign: Campaign) -> str:
    """Render the runs as SVG, the undisturbed one first."""
    rows = [campaign.undisturbed, *campaign.outcomes] if campaign.undisturbed else campaign.outcomes
    shown = [row for row in rows if row is not None]
    longest = max([1.0, *(_extent(row) for row in shown)])
    scale = WIDTH / longest
    height = ROW * (len(shown) + 2)
    body = [_axis(longest, scale, height)]
    body += [_row(row, campaign, ROW * (n + 1), scale) for n, row in enumerate(shown)]
    size = f"0 0 {LEFT + WIDTH + RIGHT} {height}"
    return f'<svg viewBox="{size}" role="img" aria-label="runs">{"".join(body)}</svg>'


def _extent(outcome: Outcome) -> float:
    ends = [s.back_s or s.undone_s or 0.0 for s in outcome.struck]
    return max([outcome.seconds, *ends])


def _row(outcome: Outcome, campaign: Campaign, top: int, scale: float) -> str:
    good = not outcome.broken
    strikes, name = outcome.trial.strikes, outcome.trial.name
    label = _text(LEFT - 10, top + 11, str(strikes[0]) if len(strikes) == 1 else name, "end")
    parts = [f"<g><title>{escape(name)}</title>{label}</g>"]
    marks = [*outcome.marks, (outcome.seconds, "")]
    for (begin, phase), (end, _) in zip(marks, marks[1:], strict=False):
        end = min(max(end, begin), outcome.seconds)
        parts.append(_box(begin, end, top, scale, _tone(phase), phase))
    parts += [_fault(struck, top, scale) for struck in outcome.struck]
    words = [format_duration(outcome.seconds)]
    cost = report.cost_s(outcome, campaign)
    if outcome is not campaign.undisturbed:
        words.append("did not finish" if cost is None else f"{cost:+.1f} s")
        words.append("same model" if report.is_same_model(outcome, campaign) else "other model")
    parts.append(_text(LEFT + WIDTH + 12, top + 11, ", ".join(words), fill=_GOOD if good else _BAD))
    return "".join(parts)


def _fault(struck: Struck, top: int, scale: float) -> str:
    if struck.struck_s is None:
        return ""
    end = struck.undone_s or struck.struck_s
    back = struck.back_s or end
    x, y = LEFT + struck.struck_s * scale, top + BAR / 2
    width = max(3.0, (end - struck.struck_s) * scale)
    return (
        f"<g><title>{escape(str(struck.strike))}</title>"
        f'<line x1="{x:.1f}" x2="{LEFT + back * scale:.1f}" y1="{y}" y2="{y}" stroke="{_FAULT}" '
        f'stroke-width="2"/><rect x="{x:.1f}" y="{top - 2}" width="{width:.1f}" '
        f'height="{BAR + 4}" fill="{_FAULT}" fill-opacity="0.75"/></g>'
    )


def _tone(phase: str) -> str:
    if phase.startswith("round "):
        return str(_TONES["round"][int(phase.split()[1]) % 2])
    return str(_TONES.get(phase, "#eceef1"))


def _axis(longest: float, scale: float, height: int) -> str:
    step = next(s for s in (1, 2, 5, 10, 20, 30, 60, 120, 300, 10**9) if longest / s <= 12)
    ticks: Sequence[int] = range(0, int(longest) + 1, step)
    lines = [
        f'<line x1="{LEFT + t * scale:.1f}" x2="{LEFT + t * scale:.1f}" y1="{ROW - 4}" '
        f'y2="{height - 8}" stroke="#e6e8ec"/>' + _text(LEFT + t * scale, 12, f"{t} s", "middle")
        for t in ticks
    ]
    return "".join(lines)


def _box(begin: float, end: float, top: int, scale: float, fill: str, title: str) -> str:
    x, width = LEFT + begin * scale, (end - begin) * scale
    return (
        f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{fill}">'
        f"<title>{escape(title)}</title></rect>"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", fill: str = "") -> str:
    style = f' style="fill:{fill}"' if fill else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(text)}</text>'
