"""How the instances of one revision are to be run, as its settings say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from local_platform.cloud_run.resources import Resource
from local_platform.cloud_run.services import short_name
from local_platform.cloud_run.startup import StartupProbe
from local_platform.cloud_run.validation import parse_memory


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

    @classmethod
    def from_revision(cls, revision: Resource) -> Self:
        """The plan that a revision's settings give."""
        container = revision.containers[0]
        return cls(
            service=short_name(revision.service),
            revision=short_name(revision.name),
            image=container.image,
            env={variable.name: variable.value for variable in container.env},
            memory_bytes=parse_memory(container.resources.limits.get("memory", "0")),
            concurrency=revision.max_instance_request_concurrency,
            min_instances=revision.scaling.min_instance_count,
            max_instances=revision.scaling.max_instance_count,
            timeout_seconds=revision.timeout.ToTimedelta().total_seconds(),
            probe=StartupProbe.from_container(container),
        )
