"""What creating, updating and rolling out a service means. Each function makes a record from a record, without I/O."""

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from local_platform.cloud_run.errors import ApiError, Status, not_found
from local_platform.cloud_run.resources import (
    FAILED,
    LATEST,
    RECONCILING,
    REVISION,
    SUCCEEDED,
    Condition,
    Resource,
    Revision,
    RevisionTemplate,
    Service,
    TrafficTargetStatus,
    changed,
    from_json,
    to_json,
)
from local_platform.cloud_run.validation import (
    check_service_id,
    check_template,
    check_traffic,
    fill_defaults,
)

# The fields that a user may set. Everything else in a Service is output.
USER_FIELDS = (
    *("description", "labels", "annotations", "client", "client_version", "ingress", "launch_stage"),
    *("binary_authorization", "template", "traffic", "scaling", "invoker_iam_disabled"),
    *("default_uri_disabled", "iap_enabled", "custom_audiences"),
)
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz"


@dataclass(frozen=True)
class ServiceRecord:
    """A service, its revisions by short name (the oldest first), and what must survive a restart."""

    service: Resource
    revisions: Mapping[str, Resource] = field(default_factory=dict)
    port: int = 0
    tag_ports: Mapping[str, int] = field(default_factory=dict)
    revision_count: int = 0
    bindings: tuple[Mapping[str, Any], ...] = ()
    """The roles on this service and who has them, in the JSON form of an IAM policy."""

    @property
    def service_id(self) -> str:
        """The last part of the service's name."""
        return short_name(self.service.name)


def short_name(name: str) -> str:
    """The last part of a resource's full name."""
    return name.rsplit("/", 1)[-1]


def create_record(parent: str, service_id: str, wanted: Resource, uid: str, now: datetime) -> ServiceRecord:
    """A new service as asked for, with its first revision still to come up."""
    check_service_id(service_id)
    service = Service(name=f"{parent}/services/{service_id}", uid=uid, creator="local", create_time=now)
    record = _apply_wish(ServiceRecord(service), wanted, FieldMask(paths=USER_FIELDS), now)
    if any(target.type_ == REVISION for target in wanted.traffic):
        # Google's own words tell no more. A new service cannot name a revision, even the one that it makes.
        raise ApiError(Status.INTERNAL, "An internal error has occurred.")
    return record


def update_record(record: ServiceRecord, wanted: Resource, mask: FieldMask, now: datetime) -> ServiceRecord:
    """The service as asked for. An empty mask means all fields. If nothing changes, it is the same record."""
    check_etag(record.service, wanted.etag)
    if not mask.IsValidForDescriptor(Service.DESCRIPTOR):
        raise ApiError(
            Status.INVALID_ARGUMENT, f"update_mask: {', '.join(mask.paths)}: not all of these are fields of a Service."
        )
    paths = [path for path in mask.paths if path.split(".")[0] in USER_FIELDS]
    return _apply_wish(record, wanted, FieldMask(paths=paths if mask.paths else USER_FIELDS), now)


def check_etag(resource: Resource, etag: str) -> None:
    """Refuse a change that was made from an older version. An empty etag means no check."""
    if etag and etag != resource.etag:
        raise ApiError(
            Status.ABORTED,
            f"Conflict for resource '{short_name(resource.name)}': version '{etag}' was specified but current "
            f"version is '{resource.etag}'.",
        )


def _apply_wish(record: ServiceRecord, wanted: Resource, mask: FieldMask, now: datetime) -> ServiceRecord:
    old = record.service
    # The two flags replace messages and lists as wholes, as the API does. A merge could take nothing away.
    service = changed(old, lambda copy: mask.MergeMessage(wanted, copy, True, True))
    fill_defaults(service)
    if service == old:
        return record
    check_template(service)
    new = _revision_to_add(record, service, now)
    known = {*record.revisions, *([short_name(new.name)] if new else [])}
    check_traffic(service, known)
    service.generation = old.generation + 1
    service.update_time.FromDatetime(now)
    service.last_modifier = "local"
    service.etag = make_etag(service.uid, service.generation)
    service.reconciling = True
    _set_conditions(service, RECONCILING, "", now)
    if not new:
        return replace(record, service=service)
    new.generation = 1
    service.latest_created_revision = new.name
    return replace(
        record,
        service=service,
        revisions={**record.revisions, short_name(new.name): new},
        revision_count=record.revision_count + 1,
    )


def make_etag(uid: str, generation: int) -> str:
    """A fingerprint that changes with every change of the wish and with nothing else."""
    return f'"{hashlib.sha256(f"{uid}/{generation}".encode()).hexdigest()[:16]}"'


def _revision_to_add(record: ServiceRecord, service: Resource, now: datetime) -> Resource | None:
    """The revision that a changed template asks for. None when it is the same, or names an equal one that exists."""
    if record.revisions and service.template == record.service.template:
        return None
    name = service.template.revision or _generate_revision_name(record)
    revision = build_revision(service, name, now)
    twin = record.revisions.get(name)
    if twin is None:
        return revision
    if _settings_of(twin) == _settings_of(revision):
        service.latest_created_revision = twin.name
        return None
    raise ApiError(Status.ALREADY_EXISTS, f"Revision named '{name}' with different configuration already exists.")


def _generate_revision_name(record: ServiceRecord) -> str:
    """A name in Google's form, `<service>-00001-abc`. The letters follow from the service's uid and the number."""
    number = record.revision_count + 1
    digest = hashlib.sha256(f"{record.service.uid}/{number}".encode()).digest()
    letters = "".join(_SUFFIX_LETTERS[byte % len(_SUFFIX_LETTERS)] for byte in digest[:3])
    return f"{record.service_id}-{number:05d}-{letters}"


def build_revision(service: Resource, name: str, now: datetime) -> Resource:
    """The revision that the service's template describes. It is not ready yet."""
    template = to_json(service.template)
    shared = {field.json_name for field in Revision.DESCRIPTOR.fields}
    revision = from_json(Revision, {key: value for key, value in template.items() if key in shared})
    revision.name = f"{service.name}/revisions/{name}"
    revision.service = service.name
    revision.uid = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{service.uid}/{name}"))
    revision.etag = make_etag(revision.uid, 1)
    revision.creator = "local"
    revision.create_time.FromDatetime(now)
    revision.update_time.FromDatetime(now)
    revision.reconciling = True
    revision.conditions.append(_condition("Ready", RECONCILING, "", now))
    return revision


def _settings_of(revision: Resource) -> dict[str, object]:
    """The settings of a revision that its template decided."""
    decided = {field.json_name for field in RevisionTemplate.DESCRIPTOR.fields}
    return {key: value for key, value in to_json(revision).items() if key in decided}


def is_ready(revision: Resource) -> bool:
    """Whether the revision has ever come up."""
    return any(each.type_ == "Ready" and each.state == SUCCEEDED for each in revision.conditions)


def has_failed(revision: Resource) -> bool:
    """Whether the revision did not come up."""
    return any(each.type_ == "Ready" and each.state == FAILED for each in revision.conditions)


def list_revisions_to_warm(wish: ServiceRecord, new_revisions: Sequence[str]) -> list[str]:
    """The revisions that need a ready instance before the wish may be served, the new ones first."""
    latest = [*new_revisions, short_name(wish.service.latest_ready_revision)][0]
    targets = [target.revision or latest for target in wish.service.traffic if target.percent > 0]
    return [name for name in dict.fromkeys([*new_revisions, *targets]) if name]


def complete(
    record: ServiceRecord, wish: ServiceRecord, ready: Iterable[str], now: datetime, host: str
) -> ServiceRecord:
    """The record after the `ready` revisions came up and the traffic of `wish` may flow.

    A wish may be older than the one that is served already. It then only adds ready revisions, for targets `LATEST` to
    follow.
    """
    revisions = dict(record.revisions)
    for name in ready:
        revisions[name] = changed(revisions[name], lambda r: _settle_revision(r, SUCCEEDED, "", now))
    service = changed(record.service, lambda copy: None)
    latest = _find_latest_ready(service, revisions)
    service.latest_ready_revision = latest.name if latest else ""
    is_newest = wish.service.generation >= service.observed_generation
    targets = list(wish.service.traffic) if is_newest else list(service.traffic_statuses)
    statuses = [_serve_target(target, record.tag_ports, host) for target in targets]
    del service.traffic_statuses[:]
    service.traffic_statuses.extend(statuses)
    service.observed_generation = max(service.observed_generation, wish.service.generation)
    if wish.service.generation == service.generation:
        service.reconciling = False
        _set_conditions(service, SUCCEEDED, "", now)
    return replace(record, service=service, revisions=revisions)


def _find_latest_ready(service: Resource, revisions: Mapping[str, Resource]) -> Resource | None:
    """The newest created revision if it came up, else the newest that did. None when none did."""
    created = revisions.get(short_name(service.latest_created_revision))
    candidates = [revision for revision in revisions.values() if is_ready(revision)]
    return created if created in candidates else next(reversed(candidates), None)


def _serve_target(target: Resource, tag_ports: Mapping[str, int], host: str) -> Resource:
    """The status of a served target. As on Google Cloud, one of type LATEST names no revision."""
    revision = "" if target.type_ == LATEST else target.revision
    uri = f"http://{host}:{tag_ports[target.tag]}" if target.tag else ""
    return TrafficTargetStatus(type_=target.type_, revision=revision, percent=target.percent, tag=target.tag, uri=uri)


def find_served(service: Resource, target: Resource) -> str:
    """The short name of the revision that a target, or the status of one, leads to now."""
    return short_name(service.latest_ready_revision) if target.type_ == LATEST else target.revision


def list_served_tags(record: ServiceRecord) -> dict[str, str]:
    """The revision of each served tag."""
    service = record.service
    return {status.tag: find_served(service, status) for status in service.traffic_statuses if status.tag}


def move_address(record: ServiceRecord, tag: str, port: int, host: str) -> ServiceRecord:
    """The record after its service, or one of its tags, has moved to another port. Nothing else changes."""
    uri, service = f"http://{host}:{port}", changed(record.service, lambda copy: None)
    if not tag:
        service.uri, service.urls[:] = uri, [uri]
        return replace(record, service=service, port=port)
    for status in service.traffic_statuses:
        status.uri = uri if status.tag == tag else status.uri
    return replace(record, service=service, tag_ports={**record.tag_ports, tag: port})


def fail(record: ServiceRecord, wish: ServiceRecord, revision: str, message: str, now: datetime) -> ServiceRecord:
    """The record after a revision did not come up. The traffic stays as it was."""
    revisions = dict(record.revisions)
    if revision in revisions and not is_ready(revisions[revision]):
        revisions[revision] = changed(revisions[revision], lambda copy: _settle_revision(copy, FAILED, message, now))
    service = changed(record.service, lambda copy: None)
    if wish.service.generation == service.generation:
        service.reconciling = False
        _set_conditions(service, FAILED, message, now)
    return replace(record, service=service, revisions=revisions)


def remove_revision(record: ServiceRecord, revision_id: str, etag: str) -> ServiceRecord:
    """The record without a retired revision. Errors: `ApiError` FAILED_PRECONDITION when the revision is in use."""
    revision = record.revisions.get(revision_id)
    if revision is None:
        raise not_found(f"{record.service.name}/revisions/{revision_id}")
    check_etag(revision, etag)
    service = record.service
    targets = [*service.traffic_statuses, *service.traffic]
    if any(find_served(service, target) == revision_id for target in targets):
        raise ApiError(
            Status.FAILED_PRECONDITION,
            f"Revision '{revision_id}' cannot be deleted, because it has traffic or a tag of service "
            f"'{record.service_id}'. Move them to another revision first.",
        )
    if revision.name == service.latest_created_revision:
        raise ApiError(
            Status.FAILED_PRECONDITION,
            f"Revision '{revision_id}' cannot be deleted, because it is the latest created revision of service "
            f"'{record.service_id}'. Create another revision first.",
        )
    return replace(record, revisions={k: v for k, v in record.revisions.items() if k != revision_id})


def list_tags(targets: Sequence[Resource]) -> list[str]:
    """The tags among traffic targets or their statuses."""
    return [target.tag for target in targets if target.tag]


def get_percents(record: ServiceRecord) -> dict[str, int]:
    """The served percent of each revision that has traffic or a tag. One that only has a tag has 0."""
    percents: dict[str, int] = {}
    for status in record.service.traffic_statuses:
        if not (status.percent or status.tag):
            continue
        revision = find_served(record.service, status)
        percents[revision] = percents.get(revision, 0) + status.percent
    return percents


def _settle_revision(revision: Resource, state: int, message: str, now: datetime) -> None:
    revision.reconciling = False
    revision.observed_generation = revision.generation
    del revision.conditions[:]
    kinds = ("Ready", "ContainerHealthy")
    revision.conditions.extend([_condition(kind, state, message, now) for kind in kinds])


def _set_conditions(service: Resource, state: int, message: str, now: datetime) -> None:
    service.terminal_condition.CopyFrom(_condition("Ready", state, message, now))
    del service.conditions[:]
    kinds = ("RoutesReady", "ConfigurationsReady")
    service.conditions.extend([_condition(kind, state, message, now) for kind in kinds])


def _condition(kind: str, state: int, message: str, now: datetime) -> Resource:
    return Condition(type_=kind, state=state, message=message, last_transition_time=now)
