"""The few kinds of panels that the dashboards are made of, with what they have in common.

Each takes a title, the question that it answers, and its queries; its unit is that of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    barchart,
    common,
    stat,
    statetimeline,
    timeseries,
    trend,
)
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.builders.dashboard import (
    DashboardLink,
    FieldColor,
    ThresholdsConfig,
)
from grafana_foundation_sdk.models.common import (
    AxisPlacement,
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)

from monitoring.dashboards.limits import Limit
from monitoring.dashboards.queries import Query
from monitoring.dashboards.shapes import only
from monitoring.dashboards.target import Target, source

FULL, HALF, THIRD, QUARTER, EIGHTH = 24, 12, 8, 6, 3
"""Widths on Grafana's grid of 24 columns."""
AXIS_WIDTH = 90
"""Pixels left of the drawing area where panels share a time axis, so that moments line up."""
HIDDEN = DynamicConfigValue("custom.hidden", True)
"""For a column of a table that isn't worth showing."""
_GAP_MS = 60_000.0
"""Lines bridge missing samples up to this long; a longer silence shows as a gap."""

_Panel = TypeVar(
    "_Panel",
    barchart.Panel,
    stat.Panel,
    statetimeline.Panel,
    tables.Panel,
    timeseries.Panel,
    trend.Panel,
)


def lines(
    title: str,
    answers: str,
    *queries: Query,
    width: int = HALF,
    height: int = 8,
    limit: Limit | None = None,
    unit: str = "",
    shares_axis: bool = False,
    signed: bool = False,
) -> timeseries.Panel:
    """Return lines over time, from 0 up unless `signed`.

    shares_axis: drawn as wide as others above and below it.
    """
    panel = _common(timeseries.Panel(), title, answers, queries, width, height, unit)
    panel = panel.line_width(1).fill_opacity(8).span_nulls(_GAP_MS)
    panel = panel.tooltip(_tooltip()).legend(_legend())
    panel = panel if signed else panel.min(0)
    if shares_axis:
        panel = panel.axis_width(AXIS_WIDTH)
    if queries[0].unit == "percent" and limit is not None:
        panel = panel.max(100)
    if limit is None:
        return panel
    style = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
    return panel.thresholds(_thresholds(limit)).thresholds_style(style)


def per_round(
    title: str,
    answers: str,
    *queries: Query,
    width: int = HALF,
    height: int = 8,
    unit: str = "",
) -> timeseries.Panel:
    """Return a line with a mark for each round: its points are few and far apart."""
    panel = _common(timeseries.Panel(), title, answers, queries, width, height, unit)
    panel = panel.line_width(2).show_points(VisibilityMode.ALWAYS).point_size(5).span_nulls(True)
    return panel.tooltip(_tooltip()).legend(_legend())


def bars(
    title: str,
    answers: str,
    *queries: Query,
    width: int = HALF,
    height: int = 8,
    stacked: bool = False,
) -> timeseries.Panel:
    """Return bars over time, one at each point."""
    panel = _common(timeseries.Panel(), title, answers, queries, width, height, "")
    panel = panel.draw_style(GraphDrawStyle.BARS).fill_opacity(60).min(0)
    panel = panel.tooltip(_tooltip()).legend(_legend())
    mode = StackingMode.NORMAL if stacked else StackingMode.NONE
    return panel.stacking(common.StackingConfig().mode(mode))


def shares(
    title: str,
    answers: str,
    query: Query,
    *,
    label: str,
    parts: Sequence[str],
    width: int = HALF,
    height: int = 8,
) -> barchart.Panel:
    """Return a lying bar for each row of a table, named by the column `label`; `parts` stacked."""
    panel = _common(barchart.Panel(), title, answers, [query], width, height, "")
    panel = panel.orientation(VizOrientation.HORIZONTAL).stacking(StackingMode.NORMAL)
    panel = panel.with_transformation(only([label, *parts]))
    panel = panel.x_field(label).show_value(VisibilityMode.NEVER).min(0).fill_opacity(80)
    return panel.tooltip(_tooltip()).legend(_legend())


def number(
    title: str,
    answers: str,
    query: Query,
    *,
    width: int = EIGHTH,
    limit: Limit | None = None,
    unit: str = "",
    decimals: int | None = None,
    calc: str = "lastNotNull",
    field: str = "",
    if_none: str = "0",
    colours: dict[str, tuple[str, str]] | None = None,
) -> stat.Panel:
    """Return one large number or word. field: which column, for words; if_none: without data."""
    panel = _common(stat.Panel(), title, answers, [query], width, 4, unit).no_value(if_none)
    pick = common.ReduceDataOptions().calcs([calc])
    panel = panel.reduce_options(pick.fields(f"/^{field}$/") if field else pick)
    panel = panel.graph_mode(BigValueGraphMode.NONE)
    panel = panel.decimals(decimals) if decimals is not None else panel
    if colours is not None:
        return panel.color_mode(BigValueColorMode.VALUE).mappings([mapping(colours)])
    if limit is None:
        return panel.color_mode(BigValueColorMode.NONE)
    return panel.color_mode(BigValueColorMode.VALUE).thresholds(_thresholds(limit))


def states(
    title: str,
    answers: str,
    *queries: Query,
    colours: dict[str, tuple[str, str]],
    width: int = FULL,
    height: int = 8,
    shares_axis: bool = False,
    shows_values: bool = False,
) -> statetimeline.Panel:
    """Return a row for each series, coloured by its state. colours: state: (shown as, colour)."""
    panel = _common(statetimeline.Panel(), title, answers, queries, width, height, "")
    panel = panel.merge_values(True).row_height(0.8).line_width(0).fill_opacity(85)
    panel = panel.show_value(VisibilityMode.AUTO if shows_values else VisibilityMode.NEVER)
    panel = panel.mappings([mapping(colours)]).tooltip(_tooltip())
    panel = panel.color_scheme(FieldColor().mode(FieldColorModeId.FIXED).fixed_color("text"))
    panel = panel.legend(_legend())
    if shares_axis:
        panel = panel.axis_placement(AxisPlacement.LEFT).axis_width(AXIS_WIDTH)
    return panel


def over_rounds(
    title: str,
    answers: str,
    *queries: Query,
    x: str,
    width: int = HALF,
    height: int = 9,
    unit: str = "",
) -> trend.Panel:
    """Return lines over a number, such as a round's; `x` is its column, and its points join."""
    panel = _common(trend.Panel(), title, answers, queries, width, height, unit).x_field(x)
    panel = panel.line_width(2).show_points(VisibilityMode.AUTO).span_nulls(True)
    return panel.tooltip(_tooltip()).legend(_legend())


def listing(
    title: str, answers: str, *queries: Query, width: int = FULL, height: int = 9
) -> tables.Panel:
    """Return a table; what each column looks like is told by overrides."""
    panel = _common(tables.Panel(), title, answers, queries, width, height, "short")
    return panel.show_header(True).filterable(True)


def column(
    panel: tables.Panel,
    name: str,
    *,
    unit: str = "",
    limit: Limit | None = None,
    colours: dict[str, tuple[str, str]] | None = None,
    decimals: int | None = None,
    link: tuple[str, str] | None = None,
    gauge: bool = False,
) -> tables.Panel:
    """Say how a column of a table looks. link: (title, address) that its cells lead to."""
    chosen: list[DynamicConfigValue] = []
    if unit:
        chosen.append(DynamicConfigValue("unit", unit))
    if decimals is not None:
        chosen.append(DynamicConfigValue("decimals", decimals))
    if limit is not None:
        chosen.append(DynamicConfigValue("thresholds", _thresholds(limit).build()))
        chosen.append(DynamicConfigValue("color", {"mode": "thresholds"}))
        cell = {"type": "gauge", "mode": "basic"} if gauge else {"type": "color-text"}
        chosen.append(DynamicConfigValue("custom.cellOptions", cell))
    if gauge:
        chosen += [DynamicConfigValue("min", 0), DynamicConfigValue("max", 100)]
    if colours is not None:
        chosen.append(DynamicConfigValue("mappings", [mapping(colours)]))
        chosen.append(DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    if link is not None:
        title, address = link
        chosen.append(DynamicConfigValue("links", [{"title": title, "url": address}]))
    return panel.override_by_name(name, chosen)


def leading_to(panel: timeseries.Panel, link: tuple[str, str]) -> timeseries.Panel:
    """Let a click on a series lead somewhere. link: (title, address)."""
    title, address = link
    return panel.data_links([DashboardLink(title).type(DashboardLinkType.LINK).url(address)])


def mapping(colours: dict[str, tuple[str, str]]) -> ValueMap:
    """Return what stands for each state: state: (shown as, colour)."""
    return ValueMap(
        {
            state: ValueMappingResult(text=text, color=colour, index=index)
            for index, (state, (text, colour)) in enumerate(colours.items())
        }
    )


def _common(
    panel: _Panel,
    title: str,
    answers: str,
    queries: Sequence[Query],
    width: int,
    height: int,
    unit: str,
) -> _Panel:
    panel = panel.title(title).description(answers).datasource(source())
    panel = panel.span(width).height(height).unit(unit or queries[0].unit)
    for index, query in enumerate(queries):
        panel = panel.with_target(Target(query, chr(ord("A") + index)))
    return panel


def _thresholds(limit: Limit) -> ThresholdsConfig:
    return (
        ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps(
            [
                Threshold(value=None, color="green"),
                Threshold(value=limit.warn, color="orange"),
                Threshold(value=limit.bad, color="red"),
            ]
        )
    )


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).calcs([])
    return legend.placement(LegendPlacement.BOTTOM).show_legend(True)


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
