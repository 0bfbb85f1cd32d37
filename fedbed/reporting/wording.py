"""How figures and findings are put into words. The exact figure travels along in `Shown.value`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from fedbed.reporting.reading import Row, mapping, number, text
from fedbed.units import format_bytes, format_duration

_RATIOS = ("accuracy", "precision", "recall", "f1", "auc", "iou", "dice")
_LOW_IS_GOOD = ("loss", "error", "perplexity", "mse", "mae", "rmse")


class Shown(NamedTuple):
    """A figure as the page shows it (`text`) and exactly as the result has it (`value`)."""

    value: str
    text: str


def is_ratio(metric: str) -> bool:
    """Whether a metric of this name is a share of one, shown in per cent."""
    return any(word in metric.lower() for word in _RATIOS)


def low_is_good(metric: str) -> bool:
    """Whether less is better for a metric of this name."""
    return any(word in metric.lower() for word in _LOW_IS_GOOD)


def metric_name(metric: str) -> str:
    """Return a metric's name in words; the loss that isn't the training's is that of the test."""
    if metric == "loss":
        return "test loss"
    words = metric.replace("_", " ").replace("-", " ").split()
    return " ".join("IoU" if word == "iou" else word for word in words)


def metric_title(metric: str) -> str:
    """Return a metric's name as a title begins."""
    name = metric_name(metric)
    return name[:1].upper() + name[1:]


def seed_of(result: Row) -> Shown | None:
    """Show a run's seed; None for a Flower app, which gets none from us."""
    return None if text(result.get("kind")) == "app" else plain(result.get("seed"))


def plain(value: object) -> Shown | None:
    """Show a number in four significant digits (whole numbers in full)."""
    given = number(value)
    if given is None:
        return None
    if isinstance(given, int) or (given == int(given) and abs(given) < 1e15):
        return Shown(repr(given), f"{int(given):,}".replace(",", "\u202f"))
    return Shown(repr(given), f"{given:#.4g}".removesuffix("."))


def score(value: object, metric: str) -> Shown | None:
    """Show a metric: '98.12 %' for shares of one, else four significant digits."""
    given = number(value)
    if given is None or not is_ratio(metric) or not 0 <= given <= 1:
        return plain(value)
    return Shown(repr(given), f"{given * 100:.2f}\u202f%")


def points(value: object, metric: str) -> Shown | None:
    """Show a difference of a metric: '+0.21 points' (hundredths) for shares of one."""
    given = number(value)
    if given is None:
        return None
    if not is_ratio(metric):
        return Shown(repr(given), _signed(f"{given:+.4g}"))
    return Shown(repr(given), _signed(f"{given * 100:+.2f}"))


def _signed(shown: str) -> str:
    digits = shown[1:]
    if not digits.strip("0."):
        return digits
    return ("\u2212" if shown[0] == "-" else "+") + digits


def size(value: object) -> Shown | None:
    """Show a number of bytes: '44.7 MB'."""
    given = number(value)
    return None if given is None else Shown(repr(given), format_bytes(int(given)))


def seconds(value: object) -> Shown | None:
    """Show a duration given in seconds: '350 ms', '1 min 20 s'."""
    given = number(value)
    if given is None:
        return None
    tiny = 0 < given < 0.0005
    return Shown(repr(given), "under 1 ms" if tiny else format_duration(given))


def percent(value: object) -> Shown | None:
    """Show a share that is given in per cent: '34.5 %'."""
    given = number(value)
    return (
        None if given is None else Shown(repr(given), f"{given:.{1 if given >= 1 else 2}f}\u202f%")
    )


def celsius(value: object) -> Shown | None:
    """Show a temperature: '61.2 °C'."""
    given = number(value)
    return None if given is None else Shown(repr(given), f"{given:.1f}\u202f°C")


def energy(value: object) -> Shown | None:
    """Show an energy given in joules: '812 J', '4.1 kJ'."""
    given = number(value)
    if given is None:
        return None
    for unit, size in (("MJ", 1e6), ("kJ", 1e3)):
        if abs(given) >= size:
            return Shown(repr(given), f"{given / size:.1f}\u202f{unit}")
    return Shown(repr(given), f"{given:.0f}\u202fJ")


def moment(value: object) -> Shown | None:
    """Show a time given in seconds since 1970: '2026-05-09 14:03 UTC'."""
    given = number(value)
    if given is None:
        return None
    try:
        when = datetime.fromtimestamp(given, UTC)
    except (OverflowError, OSError, ValueError):
        return None
    return Shown(repr(given), f"{when:%Y-%m-%d %H:%M} UTC")


def share_of_core(agent: Row, of: str = "cpu_s") -> Shown | None:
    """Show CPU seconds per second of uptime, in per cent of one core."""
    used, uptime = number(agent.get(of)), number(agent.get("uptime_s"))
    if used is None or not uptime or uptime < 0:
        return None
    percent = 100 * used / uptime
    return Shown(repr(percent), f"{percent:.2f}\u202f%")


def metric_of(result: Row) -> str:
    """Return the name of the metric that the run is judged by."""
    return text(result.get("metric")) or "accuracy"


def winner(result: Row) -> str:
    """Return one sentence on who ended better, or '' where there is nothing to compare."""
    final = mapping(result.get("final"))
    federated, central = number(final.get("federated")), number(final.get("centralised"))
    gap, metric = number(result.get("gap")), metric_of(result)
    if federated is None or central is None or gap is None:
        return ""
    if is_ratio(metric):
        amount, unit = f"{abs(gap) * 100:.2f}", " points"
    else:
        amount, unit = f"{abs(gap):.4g}", ""
    if not amount.strip("0."):
        return f"Federated and centralised training end level in {metric_name(metric)}."
    better = "Centralised" if (gap > 0) != low_is_good(metric) else "Federated"
    return f"{better} training ends ahead, by {amount}{unit} of {metric_name(metric)}."
