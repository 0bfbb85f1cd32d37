"""A query as Grafana's data source for InfluxDB takes it; the SDK has no type of its own for it."""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import AnnotationTarget, DataSourceRef

from monitoring.dashboards.queries import Moments, Query

SOURCE_UID, LONG_UID = "fedbed", "fedbed-long"
"""Of the data sources: the points themselves, and a mean of each minute, which is kept for long."""
SOURCE_VARIABLE, SOURCE_NAME = "data", "fedbed"


def source() -> DataSourceRef:
    """Return the reference to the data source that is chosen on the dashboard."""
    return DataSourceRef(type_val="influxdb", uid=f"${{{SOURCE_VARIABLE}}}")


@dataclass
class InfluxQuery(Dataquery):
    """A panel's query in the form in which dashboards store it."""

    query: Query
    ref_id: str

    def to_json(self) -> dict[str, object]:
        """Return what the dashboard's file holds."""
        form = {
            "refId": self.ref_id,
            "datasource": source(),
            "query": self.query.text,
            "rawQuery": True,
            "resultFormat": "table" if self.query.is_table else "time_series",
        }
        return {**form, "alias": self.query.alias} if self.query.alias else form


@dataclass
class Target(Builder[Dataquery]):
    """A panel's query, for the SDK's builders of panels."""

    query: Query
    ref_id: str

    def build(self) -> InfluxQuery:
        """Return the query in its stored form."""
        return InfluxQuery(self.query, self.ref_id)


class EventQuery(AnnotationTarget):
    """An annotation's query. The column of tags must be named: without one, all become tags."""

    def __init__(self, name: str, moments: Moments) -> None:
        super().__init__()
        self._name = name
        self._moments = moments

    def to_json(self) -> dict[str, object]:
        """Return what the dashboard's file holds."""
        return {
            "refId": "Anno",
            "datasource": source(),
            "name": self._name,
            "query": self._moments.query,
            "rawQuery": True,
            "resultFormat": "time_series",
            "fromAnnotations": True,
            "textColumn": self._moments.text,
            "tagsColumn": self._moments.tag,
        }


@dataclass
class EventTarget(Builder[AnnotationTarget]):
    """An annotation's query, for the SDK's builder of annotations."""

    name: str
    moments: Moments

    def build(self) -> EventQuery:
        """Return the query in its stored form."""
        return EventQuery(self.name, self.moments)
