"""Grafana's files of what it finds at its start: the data source, the dashboards, the alert rules.

https://grafana.com/docs/grafana/v11.6/administration/provisioning/
"""

from __future__ import annotations

import yaml

from monitoring.dashboards import alerts
from monitoring.dashboards.target import SOURCE_UID

DASHBOARDS_FOLDER = "/var/lib/grafana/dashboards"
"""Where Grafana's container finds monitoring/grafana/dashboards/."""
DATABASE = "fedbed"
_MADE = "# Written by `python -m monitoring.dashboards`; change the code, not this file.\n"


def files() -> dict[str, str]:
    """Return the files' contents by their paths below provisioning/."""
    contents = {
        "datasources/influxdb.yml": _data_source(),
        "dashboards/fedbed.yml": _provider(),
        "alerting/rules.yml": alerts.provisioned(),
    }
    return {
        path: _MADE + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
        for path, content in contents.items()
    }


def _data_source() -> dict[str, object]:
    """Return the data source: InfluxQL over a token, as InfluxDB 2.x takes it with a mapping."""
    source = {
        "name": "fedbed",
        "uid": SOURCE_UID,
        "type": "influxdb",
        "access": "proxy",
        "url": "http://influxdb:8086",
        "isDefault": True,
        "editable": False,
        "jsonData": {
            "version": "InfluxQL",
            "dbName": DATABASE,
            "httpMode": "POST",
            "timeInterval": "1s",
            "httpHeaderName1": "Authorization",
        },
        "secureJsonData": {"httpHeaderValue1": "Token $INFLUX_TOKEN"},
    }
    # What was provisioned under this name before goes, so that its address can't linger.
    return {"apiVersion": 1, "prune": True, "datasources": [source]}


def _provider() -> dict[str, object]:
    provider = {
        "name": "fedbed",
        "orgId": 1,
        "folder": alerts.FOLDER,
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 30,
        "options": {"path": DASHBOARDS_FOLDER},
    }
    return {"apiVersion": 1, "providers": [provider]}
