"""A new revision is the present template with what a release owns, and with what the deployment states."""

from typing import Any

import pytest
from google.cloud import run_v2

from cyclone.sections import Serving
from releasing.revisions.deployment import Deployment
from releasing.revisions.template import RevisionWish, build_template, find_model_container
from releasing.service_messages import describe_service, list_changes, plan_revision, plan_traffic

IMAGE = "europe-west1-docker.pkg.dev/p/models/bike@sha256:1"
ENV = {"CYCLONE_STORE_DSN": "postgresql://plain", "CYCLONE_CLOCK": "replay"}
LATEST = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST


def shell() -> Any:
    """A template as terraform/modules/serving makes it, with what a person has added."""
    secret = {"secret": "projects/p/secrets/dsn", "version": "3"}
    return run_v2.RevisionTemplate(
        revision="bike-00001-abc",
        labels={"team": "demand"},
        service_account="serving@p.iam.gserviceaccount.com",
        vpc_access={"network_interfaces": [{"subnetwork": "s"}]},
        timeout={"seconds": 30},
        volumes=[{"name": "certificates", "secret": {"secret": "ca"}}],
        containers=[
            {
                "image": "hello",
                "ports": [{"container_port": 8080}],
                "env": [
                    {"name": "CYCLONE_STORE_DSN", "value_source": {"secret_key_ref": secret}},
                    {"name": "CYCLONE_CALIBRATION", "value": "of the last revision"},
                    {"name": "TZ", "value": "UTC"},
                ],
                "resources": {"limits": {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"}},
                "volume_mounts": [{"name": "certificates", "mount_path": "/certificates"}],
            },
            {"name": "proxy", "image": "proxy:1"},
        ],
    )


def wish(serving: Serving | None = None, **deployment: Any) -> RevisionWish:
    return RevisionWish("bike-v2", IMAGE, serving or Serving(), ENV, Deployment.model_validate(deployment))


def test_a_release_changes_only_what_it_owns() -> None:
    before, after = shell(), build_template(shell(), wish())
    kept = ("labels", "service_account", "vpc_access", "timeout", "volumes")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    model, proxy = after.containers
    assert proxy == before.containers[1]
    assert model.volume_mounts == before.containers[0].volume_mounts
    assert dict(model.resources.limits) == {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"}
    assert {each.name: each.value for each in model.env} == {
        "CYCLONE_STORE_DSN": "",
        "TZ": "UTC",
        "CYCLONE_CLOCK": "replay",
    }
    assert model.env[0].value_source.secret_key_ref.version == "3"
    assert (after.revision, model.image) == ("bike-v2", IMAGE)


def test_limits_that_model_yaml_states_replace_those_of_the_template() -> None:
    model = find_model_container(build_template(shell(), wish(Serving(cpu="4", memory="2Gi"))))
    assert dict(model.resources.limits) == {"cpu": "4", "memory": "2Gi", "nvidia.com/gpu": "1"}


def test_a_first_revision_has_the_defaults_of_model_yaml_and_no_minimum_of_its_own() -> None:
    template = build_template(None, wish(Serving(min_instances=2)))
    assert dict(template.containers[0].resources.limits) == {"cpu": "1", "memory": "512Mi"}
    assert (template.scaling.min_instance_count, template.scaling.max_instance_count) == (0, 4)


@pytest.mark.parametrize(
    ("serving", "minimum"),
    [(Serving(), 3), (Serving(min_instances=0), 0), (Serving(min_instances=2), 2)],
)
def test_the_minimum_is_the_services_and_stays_where_model_yaml_is_silent(serving: Serving, minimum: int) -> None:
    service = run_v2.Service(template=shell(), scaling={"min_instance_count": 3}, traffic=[{"type_": LATEST}])
    assert plan_revision(service, wish(serving), "bike-v2", "v2")
    assert service.scaling.min_instance_count == minimum


def test_a_target_that_follows_the_latest_revision_leads_to_the_one_that_is_ready() -> None:
    statuses = [{"type_": LATEST, "percent": 100, "tag": "v1", "uri": "https://v1---bike.run.app"}]
    name = "projects/p/locations/l/services/bike/revisions/bike-v1"
    service = run_v2.Service(traffic_statuses=statuses, latest_ready_revision=name)
    running = describe_service("bike", service)
    assert (running.percents, running.tags) == ({"bike-v1": 100}, {"v1": "bike-v1"})


def test_a_change_of_the_traffic_sends_nothing_else() -> None:
    service = run_v2.Service(template=shell(), traffic=[{"type_": LATEST, "percent": 100}])
    before = run_v2.Service(template=shell(), traffic=[{"type_": LATEST, "percent": 100}])
    assert plan_traffic(service, {"bike-v1": 100}, frozenset())
    assert list_changes(before, service) == ["traffic"]


def test_the_deployment_is_laid_over_the_template() -> None:
    stated: dict[str, Any] = {
        "service_account": "other@p.iam.gserviceaccount.com",
        "network": {"subnetwork": "t", "egress": "all-traffic"},
        "cloud_sql": ["p:europe-west1:store"],
        "secrets": {"CYCLONE_API_KEYS": "projects/p/secrets/keys", "CYCLONE_CLOCK": "clock/versions/2"},
        "labels": {"cost-center": "7"},
        "timeout_seconds": 60,
        "startup_boost": True,
        "sidecars": [{"name": "proxy", "image": "proxy:2", "startup_port": 5432}],
    }
    template = build_template(shell(), wish(**stated))
    model, proxy = template.containers
    assert (proxy.image, list(model.depends_on)) == ("proxy:2", ["proxy"])
    assert template.service_account == "other@p.iam.gserviceaccount.com"
    assert template.vpc_access.network_interfaces[0].subnetwork == "t"
    assert [volume.name for volume in template.volumes] == ["certificates", "cloudsql"]
    assert [mount.mount_path for mount in model.volume_mounts] == ["/certificates", "/cloudsql"]
    assert dict(template.labels) == {"team": "demand", "cost-center": "7"}
    assert (template.timeout.seconds, model.resources.startup_cpu_boost) == (60, True)
    secrets = {each.name: each.value_source.secret_key_ref for each in model.env if "value_source" in each}
    assert {name: (found.secret, found.version) for name, found in secrets.items()} == {
        "CYCLONE_STORE_DSN": ("projects/p/secrets/dsn", "3"),
        "CYCLONE_API_KEYS": ("projects/p/secrets/keys", "latest"),
        "CYCLONE_CLOCK": ("clock", "2"),
    }
    assert build_template(template, wish(**stated)) == template  # a second deployment changes nothing
