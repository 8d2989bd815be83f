"""Bad wishes are refused with the field, the value and what is allowed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from local_platform.cloud_run.container_rules import parse_memory
from local_platform.cloud_run.errors import ApiError
from local_platform.cloud_run.resources import Service, from_json
from local_platform.cloud_run.services import create_record

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def create(service: dict[str, Any], service_id: str = "bike") -> None:
    create_record("projects/local/locations/local", service_id, from_json(Service, service), "uid", NOW)


def container(**settings: Any) -> dict[str, Any]:
    return {"template": {"containers": [{"image": "bike:1", **settings}]}}


def template(**settings: Any) -> dict[str, Any]:
    return {"template": {"containers": [{"image": "bike:1"}], **settings}}


def containers(*items: dict[str, Any]) -> dict[str, Any]:
    return {"template": {"containers": [{"image": "bike:1", **item} for item in items]}}


def traffic(*targets: dict[str, Any]) -> dict[str, Any]:
    return template(revision="bike-one") | {"traffic": list(targets)}


def pin(**settings: Any) -> dict[str, Any]:
    return {"type": 2, "revision": "bike-one", "percent": 100} | settings


@pytest.mark.parametrize("service_id", ["", "Bike", "1bike", "bike-", "bi_ke", "b" * 50])
def test_a_bad_service_name_is_refused(service_id: str) -> None:
    with pytest.raises(ApiError, match=f"service_id: '{service_id}' is not allowed") as refused:
        create(container(), service_id)
    assert refused.value.http_code == 400


@pytest.mark.parametrize(
    ("service", "field", "message"),
    [
        ({}, "template.containers", "at least one container is needed, 0 given"),
        (container(resources={"limits": {"cpu": "3"}}), "template.containers[0].resources.limits.cpu", "3 is not one"),
        (
            container(resources={"limits": {"cpu": "1", "memory": "5Gi"}}),
            "template.containers[0].resources.limits.memory",
            "with 1 CPU are not between",
        ),
        (
            container(resources={"limits": {"cpu": "4", "memory": "1Gi"}}),
            "template.containers[0].resources.limits.memory",
            "with 4 CPU are not between",
        ),
        (
            {
                "template": {
                    "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2",
                    "containers": [{"image": "b", "resources": {"limits": {"memory": "256Mi"}}}],
                }
            },
            "template.containers[0].resources.limits.memory",
            "are not between 536870912",
        ),
        (
            container(resources={"limits": {"cpu": "500m"}}),
            "template.max_instance_request_concurrency",
            "must be 1 with 0.5 CPU",
        ),
        (
            {
                "template": {
                    "maxInstanceRequestConcurrency": 1,
                    "containers": [{"image": "b", "resources": {"limits": {"cpu": "0.5"}}}],
                }
            },
            "template.containers[0].resources.cpu_idle",
            "must be true with 0.5 CPU",
        ),
        (
            container(resources={"limits": {"disk": "1Gi"}}),
            "template.containers[0].resources.limits",
            "'disk' is not one of",
        ),
        (template(labels={"Team": "x"}), "template.labels", "'Team: x' must have lowercase letters"),
        (template(vpcAccess={"egress": 1}), "template.vpc_access.egress", "needs a connector or network_interfaces"),
        (
            template(vpcAccess={"networkInterfaces": [{"tags": ["a"]}]}),
            "template.vpc_access.network_interfaces",
            "network or subnetwork must be provided",
        ),
        (
            template(volumes=[{"name": "sql", "cloudSqlInstance": {"instances": ["store"]}}]),
            "template.volumes[0].cloud_sql_instance.instances",
            "'store' is not project:region:instance",
        ),
        (
            container(volumeMounts=[{"name": "sql", "mountPath": "/cloudsql"}]),
            "template.containers[0].volume_mounts",
            "'sql' is no volume of the template",
        ),
        (containers({"name": "a"}, {}), "template.containers[1].name", "must be provided where there are several"),
        (containers({"name": "a"}, {"name": "b"}), "template.containers", "exactly one container must have a port, 0"),
        (
            containers({"name": "a", "ports": [{}]}, {"name": "b", "dependsOn": ["c"]}),
            "template.containers[1].depends_on",
            "'c' is no other container. There are: a, b",
        ),
        (
            containers({"name": "a", "ports": [{}], "dependsOn": ["b"]}, {"name": "b", "dependsOn": ["a"]}),
            "template.containers",
            "a, b depend on each other in a circle",
        ),
        ({"template": {"containers": [{}]}}, "template.containers[0].image", "must be provided"),
        (container(env=[{"name": "PORT", "value": "1"}]), "template.containers[0].env", "'PORT' is reserved"),
        (template(revision="other-1"), "template.revision", "'other-1' is not allowed. It must begin with 'bike-'"),
        (template(maxInstanceRequestConcurrency=1001), "template.max_instance_request_concurrency", "1001 is not"),
        (
            template(scaling={"minInstanceCount": 3, "maxInstanceCount": 2}),
            "template.scaling.min_instance_count",
            "3 is not between 0 and max_instance_count, 2",
        ),
        (template(timeout="3601s"), "template.timeout", "3601s is not between"),
        (
            container(startupProbe={"periodSeconds": 2, "timeoutSeconds": 3}),
            "template.containers[0].startup_probe.timeout_seconds",
            "3 is not between 1 and period_seconds, 2",
        ),
        (traffic(pin(percent=90)), "traffic", "must sum to 100, not 90"),
        (traffic(pin(percent=-5), pin(percent=105)), "traffic[0].percent", "-5 is not between 0 and 100"),
        (traffic(pin(revision="bike-two")), "traffic[0].revision", "'bike-two' was not found. There are: bike-one"),
        (
            container(resources={"limits": {"memory": "much"}}),
            "template.containers[0].resources.limits.memory",
            "'much' is no quantity such as 512Mi",
        ),
        (traffic({"type": 1, "revision": "bike-one", "percent": 100}), "traffic[0].revision", "must be left out"),
        (traffic({"percent": 100}), "traffic[0].type", "must be"),
        (traffic(pin(tag="Next")), "traffic[0].tag", "'Next' is not allowed"),
        (traffic(pin(tag="t" * 43)), "traffic[0].tag", "over 46 characters"),
        (traffic(pin(tag="next"), pin(tag="next", percent=0)), "traffic", "tag 'next' is given to more than one"),
    ],
)
def test_a_bad_value_is_refused_and_its_field_named(service: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ApiError) as refused:
        create(service)
    error = refused.value.to_response()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["details"][0]["fieldViolations"][0]["field"] == field
    assert message in error["message"]


@pytest.mark.parametrize(
    ("service", "message"),
    [
        (container(command=["sh"]), r"command: not supported"),
        (template(volumes=[{"name": "files", "emptyDir": {}}]), "mounts nothing, and takes volumes of Cloud SQL only"),
        (container(startupProbe={"grpc": {}}), "grpc: not supported"),
        (template() | {"scaling": {"scalingMode": "MANUAL"}}, "manual mode"),
    ],
)
def test_what_one_machine_cannot_do_is_said_so(service: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError, match=message) as refused:
        create(service)
    assert refused.value.status.name == "UNIMPLEMENTED"


@pytest.mark.parametrize("body", [{"templat": {}}, {"traffic": [{"percent": "many"}]}, [], {"template": 3}])
def test_json_that_is_no_service_is_refused(body: Any) -> None:
    with pytest.raises(ApiError, match="Invalid JSON payload") as refused:
        from_json(Service, body)
    assert refused.value.http_code == 400


@pytest.mark.parametrize(("text", "count"), [("0", 0), ("1000k", 10**6), ("512Mi", 512 * 2**20), ("2Gi", 2**31)])
def test_a_quantity_of_memory_is_bytes(text: str, count: int) -> None:
    assert parse_memory(text) == count
