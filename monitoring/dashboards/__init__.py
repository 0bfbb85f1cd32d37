"""Grafana's dashboards and alert rules as code, built from the one definition of what is measured.

`python -m monitoring.dashboards` writes them to monitoring/grafana/, from where Grafana loads them.
"""
