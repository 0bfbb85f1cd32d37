"""Grafana's files of what it finds at its start: the data source, the dashboards, the alert rules.

https://grafana.com/docs/grafana/v11.6/administration/provisioning/
"""

from __future__ import annotations

import yaml

from monitoring.dashboards import alerts
from monitoring.dashboards.target import LONG_UID, SOURCE_NAME, SOURCE_UID

DASHBOARDS_FOLDER = "/var/lib/grafana/dashboards"
"""Where Grafana's container finds monitoring/grafana/dashboards/."""
_MADE = "# Written by `python -m monitoring.dashboards`; change the code, not this file.\n"


def files() -> dict[str, str]:
    """Return the files' contents by their paths below provisioning/."""
    contents = {
        "datasources/influxdb.yml": _data_sources(),
        "dashboards/fedbed.yml": _provider(),
        "alerting/rules.yml": alerts.provisioned(),
    }
    return {
        path: _MADE + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
        for path, content in contents.items()
    }


def _data_sources() -> dict[str, object]:
    """Return the data sources: all points for a month, and means of minutes for a year."""
    sources = [
        _source(SOURCE_NAME, SOURCE_UID, "fedbed", shortest="1s"),
        _source(f"{SOURCE_NAME}, means of minutes", LONG_UID, "fedbed_long", shortest="1m"),
    ]
    # What was provisioned under another name before goes, so that its address can't linger.
    return {"apiVersion": 1, "prune": True, "datasources": sources}


def _source(name: str, uid: str, database: str, *, shortest: str) -> dict[str, object]:
    """Ask by InfluxQL, with a token, as InfluxDB 2.x takes it where a mapping names databases.

    shortest: how much time a point on a panel stands for at least.
    """
    return {
        "name": name,
        "uid": uid,
        "type": "influxdb",
        "access": "proxy",
        "url": "http://influxdb:8086",
        "isDefault": uid == SOURCE_UID,
        "editable": False,
        "jsonData": {
            "version": "InfluxQL",
            "dbName": database,
            "httpMode": "POST",
            "timeInterval": shortest,
            "httpHeaderName1": "Authorization",
        },
        "secureJsonData": {"httpHeaderValue1": "Token $INFLUX_TOKEN"},
    }


def _provider() -> dict[str, object]:
    provider = {
        "name": "fedbed",
        "orgId": 1,
        "folder": alerts.FOLDER,
        "type": "file",
        "disableDeletion": False,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 30,
        "options": {"path": DASHBOARDS_FOLDER},
    }
    return {"apiVersion": 1, "providers": [provider]}
