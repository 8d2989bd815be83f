"""What creating, updating and rolling out a service means."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from local_platform.cloud_run.errors import ApiError
from local_platform.cloud_run.resources import FAILED, RECONCILING, SUCCEEDED, Service, changed, from_json, to_json
from local_platform.cloud_run.services import (
    ServiceRecord,
    complete,
    create_record,
    fail,
    get_percents,
    is_ready,
    list_revisions_to_warm,
    remove_revision,
    short_name,
    update_record,
)

PARENT = "projects/local/locations/local"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
ALL = FieldMask()


def template(image: str = "bike:1", **other: Any) -> dict[str, Any]:
    return {"containers": [{"image": image}], **other}


def wish(image: str = "bike:1", traffic: list[dict[str, Any]] | None = None, **other: Any) -> Any:
    return from_json(Service, {"template": template(image, **other), "traffic": traffic or []})


def pin(revision: str, percent: int = 100, tag: str = "") -> dict[str, Any]:
    return {
        "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION",
        "revision": revision,
        "percent": percent,
        "tag": tag,
    }


def create(**options: Any) -> ServiceRecord:
    return create_record(PARENT, "bike", wish(**options), "uid-1", NOW)


def roll_out(record: ServiceRecord, new: list[str] | None = None) -> ServiceRecord:
    pending = [name for name, revision in record.revisions.items() if not is_ready(revision)]
    return complete(record, record, pending if new is None else new, NOW, "127.0.0.1")


@pytest.fixture
def served() -> ServiceRecord:
    return roll_out(create(revision="bike-one"))


def statuses(record: ServiceRecord) -> list[dict[str, Any]]:
    return [to_json(status) for status in record.service.traffic_statuses]


def test_a_new_service_is_named_numbered_and_not_yet_served() -> None:
    record = create()
    service = record.service
    (name,) = record.revisions
    assert name.startswith("bike-00001-")
    assert len(name) == len("bike-00001-abc")
    assert service.name == f"{PARENT}/services/bike"
    assert (service.generation, service.observed_generation, service.reconciling) == (1, 0, True)
    assert service.terminal_condition.state == RECONCILING
    assert short_name(service.latest_created_revision) == name
    assert (service.latest_ready_revision, statuses(record)) == ("", [])


def test_what_is_left_out_gets_the_defaults_of_cloud_run() -> None:
    assert to_json(create().service.template) == {
        "scaling": {"maxInstanceCount": 100},
        "timeout": "300s",
        "maxInstanceRequestConcurrency": 80,
        "containers": [
            {
                "image": "bike:1",
                "ports": [{"name": "http1", "containerPort": 8080}],
                "startupProbe": {
                    "timeoutSeconds": 240,
                    "periodSeconds": 240,
                    "failureThreshold": 1,
                    "tcpSocket": {"port": 8080},
                },
            }
        ],
    }


def test_a_revision_that_came_up_gets_the_traffic_of_latest_whose_status_names_none(served: ServiceRecord) -> None:
    assert statuses(served) == [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}]
    assert get_percents(served) == {"bike-one": 100}
    service = served.service
    assert (service.generation, service.observed_generation, service.reconciling) == (1, 1, False)
    assert service.terminal_condition.state == SUCCEEDED
    assert short_name(service.latest_ready_revision) == "bike-one"
    assert is_ready(served.revisions["bike-one"])


def test_a_new_service_whose_traffic_names_a_revision_is_refused_even_the_one_that_it_makes() -> None:
    pinned = wish(traffic=[pin("bike-one")], revision="bike-one")
    with pytest.raises(ApiError, match="An internal error has occurred") as refused:
        create_record(PARENT, "bike", pinned, "uid-1", NOW)
    assert refused.value.to_operation_error()["code"] == 13


def test_a_changed_template_makes_a_revision(served: ServiceRecord) -> None:
    record = update_record(served, wish("bike:2"), ALL, NOW)
    assert list(record.revisions) == ["bike-one", short_name(record.service.latest_created_revision)]
    assert record.service.generation == 2
    assert record.service.etag != served.service.etag


def test_changed_traffic_makes_no_revision(served: ServiceRecord) -> None:
    record = update_record(served, wish(revision="bike-one", traffic=[pin("bike-one")]), ALL, NOW)
    assert list(record.revisions) == ["bike-one"]
    assert record.service.generation == 2


def test_the_same_wish_changes_nothing(served: ServiceRecord) -> None:
    assert update_record(served, served.service, ALL, NOW) is served


def test_a_mask_leaves_the_rest_alone(served: ServiceRecord) -> None:
    wanted = from_json(Service, {"traffic": [pin("bike-one")], "description": "not asked for"})
    record = update_record(served, wanted, FieldMask(paths=["traffic"]), NOW)
    assert record.service.template == served.service.template
    assert record.service.description == ""
    assert [target.revision for target in record.service.traffic] == ["bike-one"]


def test_output_fields_in_a_wish_are_ignored(served: ServiceRecord) -> None:
    wanted = changed(served.service, lambda copy: copy.MergeFrom(Service(uri="http://elsewhere", generation=9)))
    assert update_record(served, wanted, ALL, NOW) is served


def test_a_mask_with_a_field_that_is_not_there_is_refused(served: ServiceRecord) -> None:
    with pytest.raises(ApiError, match="trafic") as refused:
        update_record(served, wish(), FieldMask(paths=["trafic"]), NOW)
    assert refused.value.http_code == 400


def test_a_change_made_from_an_older_version_is_refused(served: ServiceRecord) -> None:
    newer = update_record(served, wish("bike:2"), ALL, NOW)
    with pytest.raises(ApiError, match="current version is") as refused:
        update_record(newer, changed(served.service, lambda copy: None), ALL, NOW)
    assert (refused.value.http_code, refused.value.status.name) == (409, "ABORTED")


def test_a_name_that_another_configuration_has_is_refused(served: ServiceRecord) -> None:
    with pytest.raises(ApiError, match="'bike-one' with different configuration already exists") as refused:
        update_record(served, wish("bike:2", revision="bike-one"), ALL, NOW)
    assert (refused.value.http_code, refused.value.status.name) == (409, "ALREADY_EXISTS")


def test_asking_again_for_an_older_revision_makes_no_twin(served: ServiceRecord) -> None:
    newer = roll_out(update_record(served, wish("bike:2", revision="bike-two"), ALL, NOW))
    again = roll_out(update_record(newer, wish(revision="bike-one"), ALL, NOW))
    assert list(again.revisions) == ["bike-one", "bike-two"]
    assert get_percents(again) == {"bike-one": 100}


def test_a_candidate_gets_an_address_but_no_traffic(served: ServiceRecord) -> None:
    traffic = [pin("bike-one"), pin("bike-two", 0, "candidate")]
    record = update_record(served, wish("bike:2", revision="bike-two", traffic=traffic), ALL, NOW)
    record = roll_out(ServiceRecord(record.service, record.revisions, tag_ports={"candidate": 4711}))
    assert get_percents(record) == {"bike-one": 100, "bike-two": 0}
    assert statuses(record)[1] == {
        "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION",
        "revision": "bike-two",
        "tag": "candidate",
        "uri": "http://127.0.0.1:4711",
    }


def test_a_revision_left_at_0_percent_without_a_tag_is_not_routed(served: ServiceRecord) -> None:
    traffic = [pin("bike-two"), pin("bike-one", 0)]
    record = update_record(served, wish("bike:2", revision="bike-two", traffic=traffic), ALL, NOW)
    assert get_percents(roll_out(record)) == {"bike-two": 100}


def test_who_gets_traffic_is_warmed_first_and_the_new_revision_before_all(served: ServiceRecord) -> None:
    traffic = [pin("bike-one", 80), pin("bike-two", 20)]
    record = update_record(served, wish("bike:2", revision="bike-two", traffic=traffic), ALL, NOW)
    assert list_revisions_to_warm(record, ["bike-two"]) == ["bike-two", "bike-one"]
    latest = update_record(served, wish("bike:2", revision="bike-two"), ALL, NOW)
    assert list_revisions_to_warm(latest, ["bike-two"]) == ["bike-two"]


def test_a_revision_that_does_not_come_up_leaves_traffic_as_it_was(served: ServiceRecord) -> None:
    record = update_record(served, wish("bike:2", revision="bike-two"), ALL, NOW)
    failed = fail(record, record, "bike-two", "it fell over", NOW)
    assert statuses(failed) == statuses(served)
    assert (failed.service.observed_generation, failed.service.reconciling) == (1, False)
    condition = failed.service.terminal_condition
    assert (condition.state, condition.message) == (FAILED, "it fell over")
    assert [each.state for each in failed.revisions["bike-two"].conditions] == [FAILED, FAILED]
    assert short_name(failed.service.latest_ready_revision) == "bike-one"


def test_an_older_wish_that_ends_late_does_not_take_the_traffic_back(served: ServiceRecord) -> None:
    slow = update_record(served, wish("bike:2", revision="bike-two"), ALL, NOW)
    pinned = update_record(slow, wish("bike:2", revision="bike-two", traffic=[pin("bike-one")]), ALL, NOW)
    settled = complete(pinned, pinned, [], NOW, "127.0.0.1")
    late = complete(settled, slow, ["bike-two"], NOW, "127.0.0.1")
    assert get_percents(late) == {"bike-one": 100}
    assert is_ready(late.revisions["bike-two"])
    assert late.service.observed_generation == 3


@pytest.mark.parametrize(
    ("revision", "traffic", "reason"),
    [
        ("bike-one", [pin("bike-one")], "has traffic or a tag"),
        ("bike-one", [pin("bike-two"), pin("bike-one", 0, "old")], "has traffic or a tag"),
        ("bike-two", [pin("bike-one")], "latest created revision"),
    ],
)
def test_a_revision_in_use_is_not_deleted(
    served: ServiceRecord, revision: str, traffic: list[dict[str, Any]], reason: str
) -> None:
    record = update_record(served, wish("bike:2", revision="bike-two", traffic=traffic), ALL, NOW)
    record = roll_out(ServiceRecord(record.service, record.revisions, tag_ports={"old": 4711}))
    with pytest.raises(ApiError, match=reason) as refused:
        remove_revision(record, revision, "")
    assert refused.value.status.name == "FAILED_PRECONDITION"


def test_a_retired_revision_is_deleted(served: ServiceRecord) -> None:
    record = roll_out(update_record(served, wish("bike:2", revision="bike-two"), ALL, NOW))
    assert list(remove_revision(record, "bike-one", "").revisions) == ["bike-two"]


def test_a_revision_that_is_not_there_is_not_found(served: ServiceRecord) -> None:
    with pytest.raises(ApiError, match="bike-none' was not found") as refused:
        remove_revision(served, "bike-none", "")
    assert refused.value.http_code == 404
