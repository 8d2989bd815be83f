"""What stands in for a Grafana server in tests and benchmarks: it asks a real store what Grafana would ask."""
