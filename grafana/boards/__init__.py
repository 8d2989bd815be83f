"""Grafana's dashboards, alert rules and their way to people, as code that writes files. See docs/grafana.md.

A panel is written in one piece: its question, its words and its look. So a function here may be longer than elsewhere.
"""
