"""Google's own message types of Cloud Run v2, and their JSON.

A value of these types is never changed once it is shared. `changed` makes a changed copy.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from google.cloud import run_v2
from google.protobuf import json_format
from google.protobuf.message import Message

from local_platform.cloud_run.errors import ApiError, Status

Resource: TypeAlias = Any  # one of the classes below, which protobuf makes at run time
ResourceType = TypeVar("ResourceType", bound=Any)

Service = run_v2.Service.pb()
Revision = run_v2.Revision.pb()
RevisionTemplate = run_v2.RevisionTemplate.pb()
TrafficTarget = run_v2.TrafficTarget.pb()
TrafficTargetStatus = run_v2.TrafficTargetStatus.pb()
Condition = run_v2.Condition.pb()

LATEST = int(run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST)
REVISION = int(run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION)
RECONCILING = int(run_v2.Condition.State.CONDITION_RECONCILING)
FAILED = int(run_v2.Condition.State.CONDITION_FAILED)
SUCCEEDED = int(run_v2.Condition.State.CONDITION_SUCCEEDED)


def to_json(resource: Message, *, with_enum_numbers: bool = False) -> dict[str, Any]:
    """The JSON form as Google writes it: names in camelCase, 64-bit integers as strings."""
    return json_format.MessageToDict(resource, use_integers_for_enums=with_enum_numbers)


def to_any(resource: Message) -> dict[str, Any]:
    """The JSON form of the resource inside a `google.protobuf.Any`."""
    return {"@type": f"type.googleapis.com/{resource.DESCRIPTOR.full_name}", **to_json(resource)}


def from_json(kind: Callable[[], ResourceType], body: Any) -> ResourceType:
    """The resource that the JSON describes. Errors: `ApiError` INVALID_ARGUMENT for unknown fields and wrong types."""
    resource = kind()
    if not isinstance(body, dict):
        raise ApiError(Status.INVALID_ARGUMENT, f"Invalid JSON payload received. Not an object: {body!r}")
    try:
        json_format.ParseDict(body, resource)
    except json_format.ParseError as error:
        raise ApiError(Status.INVALID_ARGUMENT, f"Invalid JSON payload received. {error}") from error
    return resource


def changed(resource: ResourceType, change: Callable[[ResourceType], Any]) -> ResourceType:
    """A copy of the resource to which the change was made."""
    copy: ResourceType = type(resource)()
    copy.CopyFrom(resource)
    change(copy)
    return copy
