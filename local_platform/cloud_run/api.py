"""The Admin API v2 over HTTP and JSON, as `google-cloud-run` speaks it with `transport="rest"`."""

import json
import logging
import re
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from local_platform.cloud_run.conditions import Quota
from local_platform.cloud_run.control import ControlPlane
from local_platform.cloud_run.errors import ApiError, Status, invalid, not_found
from local_platform.cloud_run.identity import Issuer
from local_platform.cloud_run.metrics import Metrics
from local_platform.cloud_run.resources import Resource, Service, from_json, to_json
from local_platform.cloud_run.services import ServiceRecord, short_name

# The limits of the stand-in. They are choices, and clients that follow page tokens and operations work with any.
_DEFAULT_PAGE_SIZE = 100
_DEFAULT_WAIT_SECONDS = 60.0
_MAX_WAIT_SECONDS = 300.0
_PARENT = "/v2/{parent:projects/[^/]+/locations/[^/]+}"
_SERVICE = _PARENT + "/services/{service}"
_NAMED_SERVICE = _PARENT + "/services/{service:[^/:]+}"
_REVISION = _SERVICE + "/revisions/{revision}"
_OPERATION = _PARENT + "/operations/{operation:[^/:]+}"
_STATUS_BY_HTTP_CODE = {404: Status.NOT_FOUND, 405: Status.UNIMPLEMENTED, 503: Status.UNAVAILABLE}
_log = logging.getLogger(__name__)


def build_app(
    control: ControlPlane, metrics: Metrics, issuer: Issuer | None = None, quota: Quota | None = None
) -> web.Application:
    """The admin address: the API, `/healthz` and `/metrics`, and with an issuer of ID tokens `/token`."""
    api = _Api(control)
    app = web.Application(middlewares=[_answer_errors, _build_parent_check(control, quota or Quota(0, 0))])
    app.add_routes(
        [
            web.get(f"{_PARENT}/services", api.list_services),
            web.post(f"{_PARENT}/services", api.create_service),
            web.get(f"{_NAMED_SERVICE}:getIamPolicy", api.get_policy),
            web.post(f"{_NAMED_SERVICE}:setIamPolicy", api.set_policy),
            web.post(f"{_NAMED_SERVICE}:testIamPermissions", api.test_permissions),
            web.get(_SERVICE, api.get_service),
            web.patch(_SERVICE, api.update_service),
            web.delete(_SERVICE, api.delete_service),
            web.get(f"{_SERVICE}/revisions", api.list_revisions),
            web.get(_REVISION, api.get_revision),
            web.delete(_REVISION, api.delete_revision),
            web.get(f"{_PARENT}/operations", api.list_operations),
            web.get(_OPERATION, api.get_operation),
            web.delete(_OPERATION, api.delete_operation),
            web.post(f"{_OPERATION}:wait", api.wait_operation),
            web.get("/healthz", _answer_healthy),
            web.get("/metrics", lambda _: _answer_metrics(metrics)),
        ]
    )
    if issuer is not None:
        app.add_routes([web.post("/token", lambda request: _give_token(request, issuer))])
    return app


async def _give_token(request: web.Request, issuer: Issuer) -> web.Response:
    form = await request.post()
    return web.json_response(issuer.give_token(str(form.get("assertion", ""))))


async def _answer_healthy(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _answer_metrics(metrics: Metrics) -> web.Response:
    return web.Response(body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4"})


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as refused:
        error = refused
    except web.HTTPException as http_error:
        status = _STATUS_BY_HTTP_CODE.get(http_error.status, Status.INVALID_ARGUMENT)
        error = ApiError(status, f"{request.method} {request.path}: {http_error.reason}")
    except Exception as unexpected:
        _log.exception("%s %s", request.method, request.path)
        error = ApiError(Status.INTERNAL, f"Internal error: {unexpected!r}")
    return web.json_response(error.to_response(), status=error.http_code)


def _build_parent_check(control: ControlPlane, quota: Quota) -> Middleware:
    @web.middleware
    async def check_parent(request: web.Request, handler: Handler) -> web.StreamResponse:
        if "parent" in request.match_info:
            quota.count()
        parent = request.match_info.get("parent", control.parent)
        if parent != control.parent:
            message = f"'{parent}' is not here. The only parent is '{control.parent}'."
            raise ApiError(Status.NOT_FOUND, message)
        return await handler(request)

    return check_parent


class _Api:
    """The calls of the API, one method each. A method turns HTTP into values and values into HTTP."""

    def __init__(self, control: ControlPlane):
        self._control = control

    async def list_services(self, request: web.Request) -> web.Response:
        found = [record.service for record in self._control.list_records()]
        return _answer_page(request, "services", found)

    async def create_service(self, request: web.Request) -> web.Response:
        service_id = request.query.get("serviceId", "")
        wanted = from_json(Service, await _read_json(request))
        return web.json_response(
            await self._control.create_service(service_id, wanted, is_dry=_get_flag(request, "validateOnly"))
        )

    async def get_service(self, request: web.Request) -> web.Response:
        return _answer_resource(request, self._control.get_record(request.match_info["service"]).service)

    async def update_service(self, request: web.Request) -> web.Response:
        wanted = from_json(Service, await _read_json(request))
        mask = FieldMask()
        mask.FromJsonString(request.query.get("updateMask", ""))
        operation = await self._control.update_service(
            request.match_info["service"],
            wanted,
            mask,
            may_create=_get_flag(request, "allowMissing"),
            is_dry=_get_flag(request, "validateOnly"),
        )
        return web.json_response(operation)

    async def delete_service(self, request: web.Request) -> web.Response:
        operation = await self._control.delete_service(
            request.match_info["service"],
            request.query.get("etag", ""),
            is_dry=_get_flag(request, "validateOnly"),
        )
        return web.json_response(operation)

    async def get_policy(self, request: web.Request) -> web.Response:
        return _answer_policy(self._control.get_record(request.match_info["service"]))

    async def set_policy(self, request: web.Request) -> web.Response:
        body = await _read_json(request)
        bindings = body.get("policy", {}).get("bindings", [])
        return _answer_policy(self._control.set_bindings(request.match_info["service"], bindings))

    async def test_permissions(self, request: web.Request) -> web.Response:
        asked = (await _read_json(request)).get("permissions", [])
        held = self._control.list_permissions(request.match_info["service"], asked)
        return web.json_response({"permissions": held})

    async def list_revisions(self, request: web.Request) -> web.Response:
        """The revisions of a service, the newest first. The service `-` means all services."""
        service_id = request.match_info["service"]
        control = self._control
        records = control.list_records() if service_id == "-" else [control.get_record(service_id)]
        found = [revision for record in records for revision in reversed(list(record.revisions.values()))]
        return _answer_page(request, "revisions", found)

    async def get_revision(self, request: web.Request) -> web.Response:
        record = self._control.get_record(request.match_info["service"])
        revision_id = request.match_info["revision"]
        if revision_id not in record.revisions:
            raise not_found(f"{record.service.name}/revisions/{revision_id}")
        return _answer_resource(request, record.revisions[revision_id])

    async def delete_revision(self, request: web.Request) -> web.Response:
        operation = await self._control.delete_revision(
            request.match_info["service"],
            request.match_info["revision"],
            request.query.get("etag", ""),
            is_dry=_get_flag(request, "validateOnly"),
        )
        return web.json_response(operation)

    async def list_operations(self, request: web.Request) -> web.Response:
        operations = self._control.operations.list_all()
        page, token = take_page(operations, [each["name"] for each in operations], *_get_paging(request))
        return web.json_response({"operations": page, "nextPageToken": token})

    async def get_operation(self, request: web.Request) -> web.Response:
        return web.json_response(self._control.operations.get(self._get_operation_name(request)))

    async def delete_operation(self, request: web.Request) -> web.Response:
        self._control.operations.delete(self._get_operation_name(request))
        return web.json_response({})

    async def wait_operation(self, request: web.Request) -> web.Response:
        seconds = _parse_wait(await _read_json(request))
        return web.json_response(await self._control.operations.wait(self._get_operation_name(request), seconds))

    def _get_operation_name(self, request: web.Request) -> str:
        return f"{self._control.parent}/operations/{request.match_info['operation']}"


def take_page(items: Sequence[Any], keys: Sequence[str], size: int, token: str) -> tuple[list[Any], str]:
    """A page of at most `size` items: those after the item whose key is `token`.

    The second value is the token of the next page. It is empty at the end.
    """
    if size < 0:
        raise invalid("page_size", f"{size} is negative.")
    if token and token not in keys:
        raise invalid("page_token", f"'{token}' is not one that this list gave out.")
    begin = keys.index(token) + 1 if token else 0
    end = begin + (min(size, _DEFAULT_PAGE_SIZE) or _DEFAULT_PAGE_SIZE)
    return list(items[begin:end]), keys[end - 1] if end < len(items) else ""


def _answer_page(request: web.Request, kind: str, found: Sequence[Resource]) -> web.Response:
    page, token = take_page(found, [short_name(each.name) for each in found], *_get_paging(request))
    has_numbers = _has_enum_numbers(request)
    body = {kind: [to_json(each, with_enum_numbers=has_numbers) for each in page], "nextPageToken": token}
    return web.json_response(body)


def _answer_policy(record: ServiceRecord) -> web.Response:
    return web.json_response({"version": 1, "bindings": list(record.bindings)})


def _answer_resource(request: web.Request, resource: Resource) -> web.Response:
    return web.json_response(to_json(resource, with_enum_numbers=_has_enum_numbers(request)))


def _has_enum_numbers(request: web.Request) -> bool:
    # Google's client asks for enums as numbers. Everybody else gets their names.
    return "enum-encoding=int" in request.query.get("$alt", "")


def _get_paging(request: web.Request) -> tuple[int, str]:
    size = request.query.get("pageSize", "0")
    if not re.fullmatch(r"-?\d{1,9}", size):
        raise invalid("page_size", f"'{size}' is not a number.")
    return int(size), request.query.get("pageToken", "")


def _get_flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "false").lower() == "true"


async def _read_json(request: web.Request) -> Any:
    text = await request.text()
    try:
        return json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise ApiError(Status.INVALID_ARGUMENT, f"Invalid JSON payload received. {error}") from error


def _parse_wait(body: Any) -> float:
    """The seconds to wait: the body's `timeout` or a default, and never more than the server allows."""
    if not isinstance(body, dict) or "timeout" not in body:
        return _DEFAULT_WAIT_SECONDS
    duration = Duration()
    try:
        duration.FromJsonString(str(body["timeout"]))
    except ValueError as error:
        raise invalid("timeout", f"'{body['timeout']}' is not a duration such as '5s'.") from error
    return min(duration.ToTimedelta().total_seconds(), _MAX_WAIT_SECONDS)
