"""The page `GET /metrics`: requests by service, revision and code class, and instances by revision."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from local_platform.cloud_run.instances import Pool


class Metrics:
    """The counters of one process. Instances are counted when somebody looks."""

    def __init__(self, list_pools: Callable[[], Iterable[Pool]]):
        self._registry = CollectorRegistry()
        labels = ("service", "revision", "code_class")
        name = "cyclone_cloud_run_requests"
        self._requests = Counter(name, "Answered requests.", labels, registry=self._registry)
        self._registry.register(_InstanceCollector(list_pools))

    def count_request(self, service: str, revision: str, code: int) -> None:
        """Count one answer by the class of its status code."""
        self._requests.labels(service, revision, f"{code // 100}xx").inc()

    def render(self) -> bytes:
        """The page, in Prometheus' text format."""
        return generate_latest(self._registry)


class _InstanceCollector(Collector):
    def __init__(self, list_pools: Callable[[], Iterable[Pool]]):
        self._list_pools = list_pools

    def collect(self) -> Iterator[GaugeMetricFamily]:
        labels = ["service", "revision", "state"]
        gauge = GaugeMetricFamily("cyclone_cloud_run_instances", "Running instances.", labels=labels)
        for pool in self._list_pools():
            for state, count in (("ready", pool.ready_count), ("starting", pool.starting_count)):
                gauge.add_metric([pool.plan.service, pool.plan.revision, state], count)
        yield gauge
