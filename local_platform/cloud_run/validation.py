"""What a wish for a service must hold, and what Google fills in where the wish is silent."""

import re
from collections.abc import Collection

from local_platform.cloud_run.container_rules import check_containers, check_labels, check_network, check_volumes
from local_platform.cloud_run.errors import ApiError, Status, invalid
from local_platform.cloud_run.resources import LATEST, REVISION, Resource, TrafficTarget

# Defaults and limits are Cloud Run's own, so that a service which is taken here is taken there.
DEFAULT_CONCURRENCY = 80
DEFAULT_TIMEOUT_SECONDS = 300
DEFAULT_MAX_INSTANCES = 100
DEFAULT_PORT = 8080
DEFAULT_STARTUP_SECONDS = 240
MAX_PROBE_SECONDS = 240
MAX_CONCURRENCY = 1000
MAX_TIMEOUT_SECONDS = 3600
MAX_TAG_AND_SERVICE_LENGTH = 46
_DNS_LABEL = r"[a-z]([a-z0-9-]*[a-z0-9])?"


def check_service_id(service_id: str) -> None:
    """Refuse what Google does not take as the name of a service."""
    if len(service_id) >= 50 or not re.fullmatch(_DNS_LABEL, service_id):
        raise invalid(
            "service_id",
            f"'{service_id}' is not allowed. It must hold only lowercase letters, digits and hyphens, begin with a "
            "letter, not end with a hyphen, and have less than 50 characters.",
        )


def fill_defaults(service: Resource) -> None:
    """Write Google's defaults into the service, in place."""
    if not service.traffic:
        service.traffic.append(TrafficTarget(type_=LATEST, percent=100))
    service.ingress = service.ingress or 1
    service.launch_stage = service.launch_stage or 4
    template = service.template
    if not template.max_instance_request_concurrency:
        template.max_instance_request_concurrency = DEFAULT_CONCURRENCY
    if not template.scaling.max_instance_count:
        template.scaling.max_instance_count = max(DEFAULT_MAX_INSTANCES, template.scaling.min_instance_count)
    if not template.timeout.ToTimedelta():
        template.timeout.FromSeconds(DEFAULT_TIMEOUT_SECONDS)
    for container in template.containers:
        if len(template.containers) == 1 and not container.ports:
            container.ports.add(name="http1", container_port=DEFAULT_PORT)
        if container.ports or container.HasField("startup_probe"):
            _fill_probe_defaults(container)


def _fill_probe_defaults(container: Resource) -> None:
    probe = container.startup_probe
    if not container.HasField("startup_probe"):
        probe.timeout_seconds = probe.period_seconds = DEFAULT_STARTUP_SECONDS
        probe.failure_threshold = 1
    if not probe.WhichOneof("probe_type"):
        probe.tcp_socket.port = container.ports[0].container_port if container.ports else DEFAULT_PORT
    if probe.HasField("http_get"):
        probe.http_get.path = probe.http_get.path or "/"
    probe.timeout_seconds = probe.timeout_seconds or 1
    probe.period_seconds = probe.period_seconds or 10
    probe.failure_threshold = probe.failure_threshold or 3


def check_template(service: Resource) -> None:
    """Refuse a template that cannot become a revision here."""
    template, service_id = service.template, service.name.rsplit("/", 1)[-1]
    name = template.revision
    if name and not (name.startswith(f"{service_id}-") and len(name) <= 63 and re.fullmatch(_DNS_LABEL, name)):
        raise invalid(
            "template.revision",
            f"'{name}' is not allowed. It must begin with '{service_id}-', hold only lowercase letters, digits "
            "and hyphens, not end with a hyphen, and have at most 63 characters.",
        )
    check_labels(service.labels, "labels")
    check_labels(template.labels, "template.labels")
    check_volumes(template)
    check_network(template)
    check_containers(template)
    for index, container in enumerate(template.containers):
        _check_probe(container.startup_probe, f"template.containers[{index}].startup_probe")
    _check_scaling(service)


def _check_probe(probe: Resource, path: str) -> None:
    if not probe.period_seconds:
        return  # a sidecar without a probe counts as started at once
    if probe.HasField("grpc"):
        raise ApiError(Status.UNIMPLEMENTED, f"{path}.grpc: not supported by the local platform. Use http_get.")
    if not 1 <= probe.period_seconds <= MAX_PROBE_SECONDS:
        raise invalid(f"{path}.period_seconds", f"{probe.period_seconds} is not between 1 and 240.")
    if not 1 <= probe.timeout_seconds <= probe.period_seconds:
        raise invalid(
            f"{path}.timeout_seconds",
            f"{probe.timeout_seconds} is not between 1 and period_seconds, {probe.period_seconds}.",
        )
    if not 0 <= probe.initial_delay_seconds <= MAX_PROBE_SECONDS:
        raise invalid(f"{path}.initial_delay_seconds", f"{probe.initial_delay_seconds} is not between 0 and 240.")
    if probe.failure_threshold < 1:
        raise invalid(f"{path}.failure_threshold", f"{probe.failure_threshold} is less than 1.")


def _check_scaling(service: Resource) -> None:
    template = service.template
    concurrency, scaling = template.max_instance_request_concurrency, template.scaling
    if not 1 <= concurrency <= MAX_CONCURRENCY:
        raise invalid("template.max_instance_request_concurrency", f"{concurrency} is not between 1 and 1000.")
    if not 0 <= scaling.min_instance_count <= scaling.max_instance_count:
        raise invalid(
            "template.scaling.min_instance_count",
            f"{scaling.min_instance_count} is not between 0 and max_instance_count, {scaling.max_instance_count}.",
        )
    if not 0 < template.timeout.ToTimedelta().total_seconds() <= MAX_TIMEOUT_SECONDS:
        raise invalid("template.timeout", f"{template.timeout.ToJsonString()} is not between 1s and 3600s.")
    if service.scaling.scaling_mode == 2 or service.scaling.max_instance_count:
        raise ApiError(
            Status.UNIMPLEMENTED,
            "scaling: manual mode and max_instance_count of a whole service are not supported by the local "
            "platform. Use template.scaling.",
        )


def check_traffic(service: Resource, revisions: Collection[str]) -> None:
    """Refuse a split that is not 100 %, or that points to a revision which is not there."""
    for index, target in enumerate(service.traffic):
        _check_target(target, f"traffic[{index}]", revisions, service.name.rsplit("/", 1)[-1])
    total = sum(target.percent for target in service.traffic)
    if total != 100:
        raise invalid("traffic", f"the percents of all targets must sum to 100, not {total}.")
    tags = [target.tag for target in service.traffic if target.tag]
    for tag in tags:
        if tags.count(tag) > 1:
            raise invalid("traffic", f"tag '{tag}' is given to more than one target.")


def _check_target(target: Resource, path: str, revisions: Collection[str], service_id: str) -> None:
    if target.type_ not in (LATEST, REVISION):
        raise invalid(f"{path}.type", "must be TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST or ..._REVISION.")
    if target.type_ == LATEST and target.revision:
        raise invalid(f"{path}.revision", f"'{target.revision}' must be left out with type LATEST.")
    if target.type_ == REVISION and target.revision not in revisions:
        known = ", ".join(revisions)
        raise invalid(f"{path}.revision", f"Revision '{target.revision}' was not found. There are: {known}.")
    if not 0 <= target.percent <= 100:
        raise invalid(f"{path}.percent", f"{target.percent} is not between 0 and 100.")
    if target.tag and not re.fullmatch(_DNS_LABEL, target.tag):
        raise invalid(
            f"{path}.tag",
            f"'{target.tag}' is not allowed. It must hold only lowercase letters, digits and hyphens, begin with a "
            "letter, and not end with a hyphen.",
        )
    if target.tag and len(target.tag) + len(service_id) > MAX_TAG_AND_SERVICE_LENGTH:
        raise invalid(
            f"{path}.tag",
            f"'{target.tag}' and the service's name together have over {MAX_TAG_AND_SERVICE_LENGTH} characters.",
        )
