"""What the containers, volumes, labels and network of a template must hold."""

import re
from typing import Any

from cyclone.image_contract import RUNTIME_VARIABLES
from cyclone.sections import MEMORY_UNITS
from local_platform.cloud_run.errors import ApiError, Status, invalid
from local_platform.cloud_run.resources import Resource

MIB, GIB = 2**20, 2**30
MEMORY_BY_CPU = {1: (0, 4), 2: (0, 8), 4: (2, 16), 6: (4, 24), 8: (4, 32)}
"""The least and most GiB with each number of cores.

Source: https://cloud.google.com/run/docs/configuring/services/memory-limits
"""
LEAST_CPU = 0.08
LEAST_MEMORY = {1: 128 * MIB, 2: 512 * MIB}
"""The least memory of the two execution environments. Without a stated one Cloud Run takes the one that fits."""
MAX_LABELS = 64
_LABEL_KEY, _LABEL_VALUE = r"[a-z][a-z0-9_-]{0,62}", r"[a-z0-9_-]{0,63}"
_CLOUD_SQL_INSTANCE = r"[^\s]+:[a-z0-9-]+:[a-z0-9-]+"


def parse_memory(text: str, path: str = "template.containers[0]") -> int:
    """The bytes of a quantity such as `512Mi`. Errors: `ApiError` INVALID_ARGUMENT when the text is no quantity."""
    match = re.fullmatch(r"(\d{1,12})([kMG]|[KMG]i)?", text)
    if match is None:
        raise invalid(f"{path}.resources.limits.memory", f"'{text}' is no quantity such as 512Mi.")
    return int(match[1]) * MEMORY_UNITS.get(match[2] or "", 1)


def parse_cpu(text: str, path: str) -> float:
    """The cores of a quantity such as `2` or `1000m`. Errors: `ApiError` INVALID_ARGUMENT when it is none."""
    match = re.fullmatch(r"(\d{1,5})m|(\d{1,3}(?:\.\d{1,3})?)", text)
    if match is None:
        raise invalid(f"{path}.resources.limits.cpu", f"'{text}' is no quantity such as 1 or 1000m.")
    return int(match[1]) / 1000 if match[1] else float(match[2])


def check_containers(template: Resource) -> None:
    """Refuse containers that cannot run together in an instance."""
    containers = template.containers
    if not containers:
        raise invalid("template.containers", "at least one container is needed, 0 given.")
    if len(containers) > 1:
        _check_names(containers)
    for index, container in enumerate(containers):
        _check_container(container, template, f"template.containers[{index}]")


def _check_names(containers: Any) -> None:
    names = [container.name for container in containers]
    for index, container in enumerate(containers):
        path = f"template.containers[{index}]"
        if not container.name:
            raise invalid(f"{path}.name", "must be provided where there are several containers.")
        if names.count(container.name) > 1:
            raise invalid(f"{path}.name", f"'{container.name}' is given to more than one container.")
        for other in container.depends_on:
            if other not in names or other == container.name:
                raise invalid(f"{path}.depends_on", f"'{other}' is no other container. There are: {', '.join(names)}.")
    with_port = [container.name for container in containers if container.ports]
    if len(with_port) != 1:
        raise invalid(
            "template.containers", f"exactly one container must have a port, {len(with_port)} have: {with_port}."
        )
    order_containers(containers)


def order_containers(containers: Any) -> list[Any]:
    """The containers in the order of their start: each after those that it depends on."""
    left, ordered = list(containers), list[Any]()
    while left:
        started = {container.name for container in ordered}
        free = [container for container in left if set(container.depends_on) <= started]
        if not free:
            names = ", ".join(container.name for container in left)
            raise invalid("template.containers", f"{names} depend on each other in a circle.")
        ordered += free
        left = [container for container in left if container not in free]
    return ordered


def _check_container(container: Resource, template: Resource, path: str) -> None:
    if not container.image:
        raise invalid(f"{path}.image", "must be provided.")
    if container.command:
        raise ApiError(Status.UNIMPLEMENTED, f"{path}.command: not supported by the local platform. Leave it out.")
    for variable in container.env:
        if variable.name in RUNTIME_VARIABLES:
            raise invalid(f"{path}.env", f"'{variable.name}' is reserved, because Cloud Run sets it. Leave it out.")
        if variable.HasField("value_source") and not variable.value_source.secret_key_ref.secret:
            raise invalid(f"{path}.env", f"'{variable.name}' has a value_source without a secret.")
    _check_resources(container, template, path)
    volumes = [volume.name for volume in template.volumes]
    for mount in container.volume_mounts:
        if mount.name not in volumes:
            raise invalid(f"{path}.volume_mounts", f"'{mount.name}' is no volume of the template.")
        if not mount.mount_path.startswith("/"):
            raise invalid(f"{path}.volume_mounts", f"'{mount.mount_path}' must begin with a slash.")


def _check_resources(container: Resource, template: Resource, path: str) -> None:
    limits = container.resources.limits
    for name in limits:
        if name not in ("cpu", "memory", "nvidia.com/gpu"):
            raise invalid(f"{path}.resources.limits", f"'{name}' is not one of cpu, memory and nvidia.com/gpu.")
    cpu, memory = parse_cpu(limits.get("cpu", "1"), path), parse_memory(limits.get("memory", "512Mi"), path)
    if cpu < 1:
        _check_part_of_a_core(cpu, container, template, path)
    elif cpu not in MEMORY_BY_CPU:
        raise invalid(f"{path}.resources.limits.cpu", f"{cpu:g} is not one of 1, 2, 4, 6, 8, and not below 1.")
    least, most = MEMORY_BY_CPU.get(int(cpu), (0, 4))
    floor = max(least * GIB, LEAST_MEMORY.get(template.execution_environment, LEAST_MEMORY[1]))
    if not floor <= memory <= most * GIB:
        raise invalid(
            f"{path}.resources.limits.memory",
            f"{memory} bytes with {cpu:g} CPU are not between {floor} and {most * GIB}.",
        )


def _check_part_of_a_core(cpu: float, container: Resource, template: Resource, path: str) -> None:
    if cpu < LEAST_CPU:
        raise invalid(f"{path}.resources.limits.cpu", f"{cpu:g} is below {LEAST_CPU}.")
    if template.max_instance_request_concurrency > 1:
        raise invalid("template.max_instance_request_concurrency", f"must be 1 with {cpu:g} CPU, which is below 1.")
    if not container.resources.cpu_idle:
        raise invalid(f"{path}.resources.cpu_idle", f"must be true with {cpu:g} CPU, which is below 1.")


def check_labels(labels: Any, path: str) -> None:
    """Refuse what is no label. Source: https://cloud.google.com/run/docs/configuring/services/labels"""
    if len(labels) > MAX_LABELS:
        raise invalid(path, f"{len(labels)} labels are over {MAX_LABELS}.")
    for key, value in labels.items():
        if not re.fullmatch(_LABEL_KEY, key) or not re.fullmatch(_LABEL_VALUE, value):
            raise invalid(path, f"'{key}: {value}' must have lowercase letters, digits, _ and - only, at most 63 each.")


def check_volumes(template: Resource) -> None:
    """Refuse volumes that are not Cloud SQL's, and a way into a network that is none."""
    for index, volume in enumerate(template.volumes):
        path = f"template.volumes[{index}]"
        if volume.WhichOneof("volume_type") != "cloud_sql_instance":
            raise ApiError(
                Status.UNIMPLEMENTED, f"{path}: the local platform mounts nothing, and takes volumes of Cloud SQL only."
            )
        for instance in volume.cloud_sql_instance.instances:
            if not re.fullmatch(_CLOUD_SQL_INSTANCE, instance):
                raise invalid(f"{path}.cloud_sql_instance.instances", f"'{instance}' is not project:region:instance.")


def check_network(template: Resource) -> None:
    """Refuse a way into a network that is none, or that is two."""
    access = template.vpc_access
    if access.connector and access.network_interfaces:
        raise invalid("template.vpc_access", "connector and network_interfaces cannot be given together.")
    if access.egress and not access.connector and not access.network_interfaces:
        raise invalid("template.vpc_access.egress", "needs a connector or network_interfaces.")
    for interface in access.network_interfaces:
        if not interface.network and not interface.subnetwork:
            raise invalid("template.vpc_access.network_interfaces", "network or subnetwork must be provided.")
