"""Alerts of Grafana and Alertmanager: who may send them, what they hold, and what Cyclone does about each."""
