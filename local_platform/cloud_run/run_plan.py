"""How the instances of one revision are to be run, as its settings say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

from local_platform.cloud_run.container_rules import order_containers, parse_memory
from local_platform.cloud_run.resources import Resource
from local_platform.cloud_run.services import short_name
from local_platform.cloud_run.startup import StartupProbe


class Runnable(Protocol):
    """What a container is started with: a sidecar, or the one of a `RunPlan` that gets the requests.

    `secrets` are the variables whose value is a secret, each with its name and version. An instance that uses more
    memory than `memory_bytes` is killed. 0 is no limit.
    """

    @property
    def image(self) -> str: ...
    @property
    def env(self) -> Mapping[str, str]: ...
    @property
    def memory_bytes(self) -> int: ...
    @property
    def args(self) -> tuple[str, ...]: ...
    @property
    def secrets(self) -> Mapping[str, tuple[str, str]]: ...


@dataclass(frozen=True)
class SidecarPlan:
    """How to run one more container of each instance. Without a probe it counts as started at once."""

    name: str
    image: str
    env: Mapping[str, str]
    memory_bytes: int
    args: tuple[str, ...]
    secrets: Mapping[str, tuple[str, str]]
    probe: StartupProbe | None
    probe_port: int

    @classmethod
    def from_container(cls, container: Resource) -> Self:
        """The plan that a container's settings give."""
        probe = container.startup_probe
        has_probe = container.HasField("startup_probe")
        return cls(
            name=container.name,
            image=container.image,
            env=list_values(container),
            memory_bytes=parse_memory(container.resources.limits.get("memory", "0")),
            args=tuple(container.args),
            secrets=list_secrets(container),
            probe=StartupProbe.from_container(container) if has_probe else None,
            probe_port=probe.http_get.port or probe.tcp_socket.port,
        )


@dataclass(frozen=True)
class RunPlan:
    """How to run the instances of one revision."""

    service: str
    revision: str
    image: str
    env: Mapping[str, str]
    memory_bytes: int
    """How much memory an instance may use before it is killed. 0 is no limit."""
    concurrency: int
    min_instances: int
    max_instances: int
    timeout_seconds: float
    probe: StartupProbe
    args: tuple[str, ...] = ()
    secrets: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    before: tuple[SidecarPlan, ...] = ()
    """The containers that start before this one, and `after` those that start after it."""
    after: tuple[SidecarPlan, ...] = ()

    @classmethod
    def from_revision(cls, revision: Resource) -> Self:
        """The plan that a revision's settings give."""
        ordered = order_containers(revision.containers)
        place = next(index for index, each in enumerate(ordered) if each.ports)
        container = ordered[place]
        return cls(
            service=short_name(revision.service),
            revision=short_name(revision.name),
            image=container.image,
            env=list_values(container),
            memory_bytes=parse_memory(container.resources.limits.get("memory", "0")),
            concurrency=revision.max_instance_request_concurrency,
            min_instances=revision.scaling.min_instance_count,
            max_instances=revision.scaling.max_instance_count,
            timeout_seconds=revision.timeout.ToTimedelta().total_seconds(),
            probe=StartupProbe.from_container(container),
            args=tuple(container.args),
            secrets=list_secrets(container),
            before=tuple(SidecarPlan.from_container(each) for each in ordered[:place]),
            after=tuple(SidecarPlan.from_container(each) for each in ordered[place + 1 :]),
        )


def list_values(container: Resource) -> dict[str, str]:
    """The variables that have a value of their own."""
    return {each.name: each.value for each in container.env if not each.HasField("value_source")}


def list_secrets(container: Resource) -> dict[str, tuple[str, str]]:
    """The variables whose value is a secret: its short name and its version."""
    selected = {each.name: each.value_source.secret_key_ref for each in container.env if each.HasField("value_source")}
    return {name: (short_name(item.secret), item.version or "latest") for name, item in selected.items()}
