"""What Grafana needs of the store."""
