"""Grafana's transformations that the dashboards use: from what queries return to what is shown.

https://grafana.com/docs/grafana/v11.6/panels-visualizations/query-transform-data/transform-data/
"""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, MatcherConfig


def joined_by(field: str) -> DataTransformerConfig:
    """Put tables beside each other, a row for each value of a column that all have."""
    return DataTransformerConfig("joinByField", options={"byField": field, "mode": "outer"})


def only(names: Sequence[str]) -> DataTransformerConfig:
    """Keep these columns, and drop those that joining leaves behind, such as many times."""
    return DataTransformerConfig("filterFieldsByName", options={"include": {"names": list(names)}})


def in_order(names: Sequence[str], renamed: dict[str, str] | None = None) -> DataTransformerConfig:
    """Order the columns as listed, and give some another heading."""
    return DataTransformerConfig(
        "organize",
        options={
            "excludeByName": {},
            "indexByName": {name: index for index, name in enumerate(names)},
            "renameByName": renamed or {},
        },
    )


def merged() -> DataTransformerConfig:
    """Make one table of all, in which rows that agree in their common columns are one."""
    return DataTransformerConfig("merge", options={})


def split_by(field: str) -> DataTransformerConfig:
    """Make a series of each value of a column, which labels it; of the first table alone."""
    return DataTransformerConfig(
        "partitionByValues",
        options={"fields": [field], "keepFields": False, "naming": {"asLabels": True}},
    )


def time_called(name: str, of: str) -> DataTransformerConfig:
    """Give the column of times a name of its own, in what the query `of` returned."""
    return DataTransformerConfig(
        "organize",
        filter_val=MatcherConfig("byRefId", of),
        options={"excludeByName": {}, "indexByName": {}, "renameByName": {"Time": name}},
    )
