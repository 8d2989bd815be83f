"""The Cloud Run stand-in's Admin API, driven by Google's own client: what it refuses, lists, deletes and waits for."""

from typing import Any

import psutil
import pytest
import requests
from google.api_core.exceptions import BadRequest, Conflict, FailedPrecondition, GoogleAPICallError, NotFound
from google.cloud import run_v2
from google.protobuf import field_mask_pb2

from tests.support.cloud_run_driver import (
    DEADLINE_SECONDS,
    IMAGE,
    PARENT,
    CloudRun,
    ask,
    ask_revision,
    build_template,
    pin,
)


def test_a_change_from_an_older_version_conflicts(cloud_run: CloudRun) -> None:
    old = cloud_run.create("etag")
    newer = cloud_run.get("etag")
    newer.description = "changed meanwhile"
    assert cloud_run.update(newer).etag != old.etag
    with pytest.raises(Conflict, match="current version is"):
        cloud_run.services.update_service(service=old)
    with pytest.raises(Conflict, match="current version is"):
        cloud_run.services.delete_service(request={"name": old.name, "etag": old.etag})


@pytest.mark.parametrize(
    ("traffic", "message"),
    [
        ([pin("bad-one", 90)], "must sum to 100, not 90"),
        ([pin("bad-two", 100)], "Revision 'bad-two' was not found"),
        ([pin("bad-one", 100, "a"), pin("bad-one", 0, "a")], "tag 'a' is given to more than one"),
        ([pin("bad-one", 100, "A_")], "'A_' is not allowed"),
    ],
)
def test_bad_traffic_is_refused_and_nothing_changes(
    cloud_run: CloudRun, traffic: list[dict[str, Any]], message: str
) -> None:
    if "bad" not in {each.name.rsplit("/", 1)[-1] for each in cloud_run.services.list_services(parent=PARENT)}:
        cloud_run.create("bad", revision="bad-one")
    service = cloud_run.get("bad")
    service.traffic = traffic
    with pytest.raises(BadRequest, match=message):
        cloud_run.services.update_service(service=service)
    assert cloud_run.get("bad").generation == 1


def test_bad_names_missing_images_and_twins_are_refused(cloud_run: CloudRun) -> None:
    create = cloud_run.services.create_service
    service = {"template": build_template()}
    with pytest.raises(BadRequest, match="'Twin' is not allowed"):
        create(parent=PARENT, service_id="Twin", service=service)
    with pytest.raises(BadRequest, match="image: must be provided"):
        create(parent=PARENT, service_id="twin", service={"template": build_template(image="")})
    with pytest.raises(NotFound, match="'projects/other/locations/local' is not here"):
        create(parent="projects/other/locations/local", service_id="twin", service=service)
    with pytest.raises(NotFound, match="services/twin' was not found"):
        cloud_run.get("twin")
    cloud_run.create("twin")
    with pytest.raises(Conflict, match="'twin' already exists"):
        create(parent=PARENT, service_id="twin", service=service)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("fail", "ended with code 1.*the model file is missing"), ("hang", "did not answer GET /ready")],
)
def test_a_revision_that_never_gets_ready_fails_and_traffic_stays(cloud_run: CloudRun, mode: str, reason: str) -> None:
    name = f"broken-{mode}"
    service = cloud_run.create(name, revision=f"{name}-one")
    probe = {"http_get": {"path": "/ready"}, "period_seconds": 1, "failure_threshold": 1}
    service.template = build_template(env={"MODE": mode}, revision=f"{name}-two", startup_probe=probe)
    with pytest.raises(FailedPrecondition, match=rf"(?s)Revision '{name}-two' is not ready.*{reason}"):
        cloud_run.update(service)
    failed = cloud_run.get(name)
    assert failed.terminal_condition.state == run_v2.Condition.State.CONDITION_FAILED
    assert failed.observed_generation == 1
    assert failed.latest_ready_revision.endswith(f"{name}-one")
    assert ask_revision(failed.uri) == f"{name}-one"
    back = cloud_run.move(name, one=100)
    assert back.terminal_condition.state == run_v2.Condition.State.CONDITION_SUCCEEDED


def test_revisions_are_got_listed_by_page_and_deleted_once_retired(cloud_run: CloudRun) -> None:
    service = cloud_run.create("pages", revision="pages-a")
    for name in ("pages-b", "pages-c"):
        service.template = build_template(revision=name)
        service = cloud_run.update(service)
    pages = list(cloud_run.revisions.list_revisions(request={"parent": service.name, "page_size": 2}).pages)
    assert [[each.name[-1] for each in page.revisions] for page in pages] == [["c", "b"], ["a"]]
    retired = f"{service.name}/revisions/pages-a"
    assert cloud_run.revisions.get_revision(name=retired).containers[0].image == IMAGE
    with pytest.raises(BadRequest, match="has traffic or a tag"):
        cloud_run.revisions.delete_revision(name=f"{service.name}/revisions/pages-c")
    deleted = cloud_run.revisions.delete_revision(name=retired).result(timeout=DEADLINE_SECONDS)
    assert deleted.name == retired
    with pytest.raises(NotFound):
        cloud_run.revisions.get_revision(name=retired)


def test_a_deleted_service_and_its_instances_are_gone(cloud_run: CloudRun) -> None:
    service = cloud_run.create("gone")
    pid = ask(service.uri)["pid"]
    cloud_run.services.delete_service(name=service.name).result(timeout=DEADLINE_SECONDS)
    assert not psutil.pid_exists(pid)
    with pytest.raises(requests.ConnectionError):
        ask(service.uri)
    with pytest.raises(NotFound):
        cloud_run.get("gone")


def test_a_dry_run_and_allow_missing_do_what_they_say(cloud_run: CloudRun) -> None:
    service = run_v2.Service(name=f"{PARENT}/services/dry", template=build_template())
    with pytest.raises(NotFound):
        cloud_run.services.update_service(service=service)
    create = {"parent": PARENT, "service_id": "dry", "service": service, "validate_only": True}
    validated = cloud_run.services.create_service(request=create).result(timeout=DEADLINE_SECONDS)
    assert validated.template.max_instance_request_concurrency == 80
    with pytest.raises(NotFound):
        cloud_run.get("dry")
    operation = cloud_run.services.update_service(request={"service": service, "allow_missing": True})
    assert operation.result(timeout=DEADLINE_SECONDS).generation == 1
    mask = field_mask_pb2.FieldMask(paths=["description"])
    service.description = "only this"
    masked = cloud_run.services.update_service(service=service, update_mask=mask).result(timeout=DEADLINE_SECONDS)
    assert (masked.description, masked.generation) == ("only this", 2)


def test_operations_are_polled_waited_for_and_listed(cloud_run: CloudRun) -> None:
    service = {"template": build_template()}
    operation = cloud_run.services.create_service(parent=PARENT, service_id="waited", service=service)
    url = f"{cloud_run.address}/v2/{operation.operation.name}"
    waited = requests.post(f"{url}:wait", json={"timeout": "20s"}, timeout=DEADLINE_SECONDS).json()
    assert waited["done"] is True
    assert waited["response"]["@type"] == "type.googleapis.com/google.cloud.run.v2.Service"
    assert requests.get(url, timeout=DEADLINE_SECONDS).json() == waited
    listed = requests.get(f"{cloud_run.address}/v2/{PARENT}/operations", timeout=DEADLINE_SECONDS).json()
    assert waited in listed["operations"]
    missing = requests.get(f"{url}x", timeout=DEADLINE_SECONDS)
    assert (missing.status_code, missing.json()["error"]["status"]) == (404, "NOT_FOUND")


def test_the_client_raises_the_parents_that_callers_catch() -> None:
    assert issubclass(FailedPrecondition, BadRequest)
    assert issubclass(Conflict, GoogleAPICallError)
