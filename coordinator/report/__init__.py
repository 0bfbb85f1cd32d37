"""What a run leaves for people: one self-contained HTML page and one tidy CSV, from `result.json`.

`render` and `metrics_csv` are pure: a result in (and `predictions.npz`, if there is one), text out,
the same text for the same result.
Neither raises for parts that are missing, empty or odd; such parts are left out.
"""

from coordinator.report.page import render
from coordinator.report.table import metrics_csv

__all__ = ["metrics_csv", "render"]
