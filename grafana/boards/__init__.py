"""Grafana's dashboards, alert rules and their way to people, as code that writes files. See docs/grafana.md."""
