"""The report: one HTML file that needs nothing else, neither network nor scripts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Template

from coordinator.report import classes, hardware, learning, setup, summary, traffic
from fedbed.reporting import pages
from fedbed.reporting.reading import writable


def render(result: Mapping[str, Any], predictions: Mapping[str, Any] | None = None) -> str:
    """Return the report of a result as HTML, self-contained and the same for the same result.

    Measured figures stand in `<data value="...">` elements, with exactly the result's value;
    what is shown is that value rounded. Sections that the result has nothing for are left out.
    Names and texts are escaped. Takes one to three seconds, mostly to import matplotlib.

    Args:
        result: what `result.json` holds. Any part may be missing, empty or odd.
        predictions: what `predictions.npz` holds, if there is one: `index` [n], `images`
            uint8 [n, h, w, 3], and uint8 [n, h, w] for `truth`, `federated`, `centralised`.
    """
    page = _template().render(
        summary=summary.build(result),
        learning=learning.build(result),
        classes=classes.build(result, predictions or {}),
        rounds=traffic.build(result),
        hardware=hardware.build(result),
        setup=setup.build(result),
    )
    return writable(page)


@cache
def _template() -> Template:
    return pages.template("coordinator.report")
