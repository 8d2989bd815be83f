"""The template of a new revision: the present one of the service, with what a release owns and the deployment states.

A release owns the image, the name, Cyclone's variables, the start-up probe, the concurrency and the most instances. All
else that a person or Terraform has set stays.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cyclone.image_contract import DEPLOYED_VARIABLES
from cyclone.sections import Serving
from releasing.revisions.deployment import MODEL_CONTAINER, Deployment, Network, Sidecar

# The start-up probe asks so often, once a second. A large model takes its time to load.
PROBE_COUNT = 120
CLOUD_SQL_VOLUME, CLOUD_SQL_FOLDER = "cloudsql", "/cloudsql"


@dataclass(frozen=True)
class RevisionWish:
    """A revision that is to be deployed."""

    revision: str
    image: str
    serving: Serving
    env: Mapping[str, str]
    deployment: Deployment = field(default_factory=Deployment)


def build_template(present: Any | None, wish: RevisionWish) -> Any:
    """The message of a revision's template, made from the present template of the service."""
    from google.cloud import run_v2

    template = run_v2.RevisionTemplate() if present is None else copy.deepcopy(present)
    template.revision = wish.revision
    if not template.containers:
        template.containers.append(run_v2.Container())
    _fill_container(find_model_container(template), wish)
    template.max_instance_request_concurrency = wish.serving.concurrency
    template.scaling.max_instance_count = wish.serving.max_instances
    template.scaling.min_instance_count = 0  # each tagged revision would keep its own, at 0 % too: the service has it
    _apply_deployment(template, wish.deployment)
    return template


def find_model_container(revision: Any) -> Any:
    """The container of the model in a template or a revision: the one with a port, which gets the requests."""
    return next((container for container in revision.containers if container.ports), revision.containers[0])


def _fill_container(container: Any, wish: RevisionWish) -> None:
    """Give the model's container what a release owns."""
    serving = wish.serving
    container.image = wish.image
    container.env = _merge_variables(container.env, wish.env)
    for resource in ("cpu", "memory"):
        # A limit that model.yaml leaves to its default may have been set by Terraform.
        if resource in serving.model_fields_set or resource not in container.resources.limits:
            container.resources.limits[resource] = getattr(serving, resource)
    # An idle instance keeps its CPU, because the log's background writer works after the answer has left.
    container.resources.cpu_idle = False
    container.startup_probe = {
        "http_get": {"path": "/readyz"},
        "period_seconds": 1,
        "timeout_seconds": 1,
        "failure_threshold": PROBE_COUNT,
    }


def _merge_variables(present: Any, env: Mapping[str, str]) -> list[Any]:
    """The variables of a revision: those of others, and Cyclone's. One that comes from a secret stays so."""
    from google.cloud import run_v2

    kept = [each for each in present if "value_source" in each or each.name not in {*DEPLOYED_VARIABLES, *env}]
    given = set(env) - {each.name for each in kept}
    return [*kept, *(run_v2.EnvVar(name=name, value=env[name]) for name in sorted(given))]


def _apply_deployment(template: Any, deployment: Deployment) -> None:
    container = find_model_container(template)
    template.service_account = deployment.service_account or template.service_account
    template.labels.update(deployment.labels)
    if deployment.timeout_seconds is not None:
        template.timeout = {"seconds": deployment.timeout_seconds}
    if deployment.startup_boost is not None:
        container.resources.startup_cpu_boost = deployment.startup_boost
    if deployment.network is not None:
        template.vpc_access = _build_network(deployment.network)
    if deployment.cloud_sql:
        _mount_cloud_sql(template, container, deployment.cloud_sql)
    container.env = _take_from_secrets(container.env, deployment.secrets)
    if deployment.sidecars:
        _add_sidecars(template, container, deployment.sidecars)


def _build_network(network: Network) -> Any:
    from google.cloud import run_v2

    egress = run_v2.VpcAccess.VpcEgress
    place = {"network": network.network, "subnetwork": network.subnetwork, "tags": list(network.tags)}
    is_all = network.egress == "all-traffic"
    return run_v2.VpcAccess(
        egress=egress.ALL_TRAFFIC if is_all else egress.PRIVATE_RANGES_ONLY, network_interfaces=[place]
    )


def _mount_cloud_sql(template: Any, container: Any, instances: tuple[str, ...]) -> None:
    from google.cloud import run_v2

    others = [volume for volume in template.volumes if volume.name != CLOUD_SQL_VOLUME]
    volume = run_v2.Volume(name=CLOUD_SQL_VOLUME, cloud_sql_instance={"instances": list(instances)})
    template.volumes = [*others, volume]
    mounts = [mount for mount in container.volume_mounts if mount.name != CLOUD_SQL_VOLUME]
    container.volume_mounts = [*mounts, run_v2.VolumeMount(name=CLOUD_SQL_VOLUME, mount_path=CLOUD_SQL_FOLDER)]


def _take_from_secrets(present: Any, secrets: Mapping[str, str]) -> list[Any]:
    others = [variable for variable in present if variable.name not in secrets]
    return [*others, *(_build_secret_variable(name, secret) for name, secret in sorted(secrets.items()))]


def _build_secret_variable(name: str, reference: str) -> Any:
    from google.cloud import run_v2

    secret, _, version = reference.partition("/versions/")
    # Cloud Run takes a name alone within its own project, and the full name of any project.
    return run_v2.EnvVar(name=name, value_source={"secret_key_ref": {"secret": secret, "version": version or "latest"}})


def _add_sidecars(template: Any, container: Any, sidecars: tuple[Sidecar, ...]) -> None:
    """Let the template have these sidecars. Those of the same names are replaced, and all others stay."""
    container.name = container.name or MODEL_CONTAINER
    if not container.ports:
        container.ports = [{"name": "http1", "container_port": 8080}]  # it says which container gets the requests
    names = {sidecar.name for sidecar in sidecars}
    others = [each for each in template.containers if each.name not in names]
    template.containers = [*others, *map(_build_sidecar, sidecars)]
    awaited = [sidecar.name for sidecar in sidecars if sidecar.startup_port is not None]
    model = find_model_container(template)
    model.depends_on = sorted({*model.depends_on, *awaited})


def _build_sidecar(sidecar: Sidecar) -> Any:
    from google.cloud import run_v2

    probe = {"tcp_socket": {"port": sidecar.startup_port}, "period_seconds": 1, "failure_threshold": PROBE_COUNT}
    return run_v2.Container(
        name=sidecar.name,
        image=sidecar.image,
        args=list(sidecar.args),
        env=[
            *({"name": name, "value": value} for name, value in sorted(sidecar.env.items())),
            *(_build_secret_variable(name, secret) for name, secret in sorted(sidecar.secrets.items())),
        ],
        resources={"limits": {"cpu": sidecar.cpu, "memory": sidecar.memory}},
        startup_probe=probe if sidecar.startup_port is not None else None,
    )
