"""The control plane: it keeps the records, brings pools and addresses to what they say, and drives operations."""

import asyncio
import logging
import math
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from local_platform.cloud_run import services
from local_platform.cloud_run.access import Access
from local_platform.cloud_run.conditions import Conditions
from local_platform.cloud_run.errors import ApiError, Status, not_found
from local_platform.cloud_run.instances import Pool
from local_platform.cloud_run.operations import Operations
from local_platform.cloud_run.ports import take_port
from local_platform.cloud_run.proxy import CheckAccess, ChoosePool, Gateway
from local_platform.cloud_run.resources import Resource, changed, to_any
from local_platform.cloud_run.run_plan import RunPlan
from local_platform.cloud_run.services import ServiceRecord, short_name
from local_platform.cloud_run.startup import StartupError
from local_platform.cloud_run.state import State
from local_platform.cloud_run.traffic import RandomSplit, Split

HOST = "127.0.0.1"
# The pause between two looks at whether instances have to be started or stopped. The value is a choice.
_TICK_SECONDS = 0.2
_log = logging.getLogger(__name__)


@dataclass
class Routes:
    """Where the requests of one service go: its pools by revision, its split, and the revisions of its tags."""

    pools: dict[str, Pool] = field(default_factory=dict)
    split: Split | RandomSplit = field(default_factory=lambda: Split({}, random.Random()))  # noqa: S311 (not a secret)
    wish_number: int = 0
    """How often the split was to change. A delayed change that was overtaken is dropped."""
    tags: dict[str, str] = field(default_factory=dict)

    def choose(self) -> Pool | None:
        """The pool for the next request to the service's address. None when no revision has traffic."""
        return self.pools.get(self.split.choose() or "")

    def choose_tag(self, tag: str) -> Pool | None:
        """The pool behind a tag's address. None when there is none."""
        return self.pools.get(self.tags.get(tag, ""))


class ControlPlane:
    """All services of one location. Whatever changes is saved before the caller hears of it."""

    def __init__(
        self,
        parent: str,
        state: State,
        gateway: Gateway,
        routes: dict[str, Routes],
        build_pool: Callable[[RunPlan], Pool],
        access: Access,
        conditions: Conditions | None = None,
    ):
        self.parent = parent
        self.operations = Operations(parent, state.operations)
        self._state = state
        self._gateway = gateway
        self._routes = routes
        self._build_pool = build_pool
        self._access = access
        self._conditions = conditions or Conditions()
        self._rollouts: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._change = asyncio.Lock()  # a change reads a record and writes the next, so they come one by one

    async def start(self) -> None:
        """Bring back what the state holds: addresses, pools, and the roll-outs that a stop cut off."""
        for service_id in list(self._state.records):
            self._routes[service_id] = Routes()
            self._state.records[service_id] = self._access.mark(self._state.records[service_id])
            self._apply(await self._open_addresses(service_id))
        self._state.save()
        self._resume_rollouts()
        self._spawn(self._tick())

    async def _open_addresses(self, service_id: str) -> ServiceRecord:
        """Open the addresses that a service had. One whose port is taken meanwhile moves, and the record says so."""
        record = self._state.records[service_id]
        tags = services.list_tags(record.service.traffic_statuses)
        for tag, port in [("", record.port), *((tag, record.tag_ports[tag]) for tag in tags)]:
            opened = await self._open_new_address(service_id, tag, preferred=port)
            if opened != port:
                _log.warning("%s %s: port %s is taken, it answers at %s now", service_id, tag, port, opened)
                record = services.move_address(record, tag, opened, HOST)
                self._state.records[service_id] = record
        return record

    def _resume_rollouts(self) -> None:
        unfinished = [each for each in self.operations.list_all() if not each["done"]]
        for operation in unfinished:
            record = self._state.records.get(short_name(operation["metadata"]["name"]))
            if record and record.service.reconciling:
                self._begin_rollout(record, self._list_pending(record), operation["name"])
            else:
                self.operations.finish(operation["name"], ApiError(Status.ABORTED, "A restart cut it off."))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            for routes in list(self._routes.values()):
                for pool in list(routes.pools.values()):
                    pool.tick()

    async def close(self) -> None:
        """Answer the requests in flight, then stop every instance."""
        tasks = [*self._background, *(task for _, task in self._rollouts.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._gateway.close()
        await asyncio.gather(*(pool.close() for routes in self._routes.values() for pool in routes.pools.values()))

    def get_record(self, service_id: str) -> ServiceRecord:
        """The record of a service. Errors: `ApiError` NOT_FOUND when there is none."""
        if service_id not in self._state.records:
            raise not_found(f"{self.parent}/services/{service_id}")
        return self._state.records[service_id]

    def list_records(self) -> list[ServiceRecord]:
        """All records in the order of their names."""
        return [self._state.records[service_id] for service_id in sorted(self._state.records)]

    async def create_service(self, service_id: str, wanted: Resource, *, is_dry: bool) -> dict[str, Any]:
        """Create a service, and return the operation that rolls it out."""
        async with self._change:
            return await self._create(service_id, wanted, is_dry)

    async def _create(self, service_id: str, wanted: Resource, is_dry: bool) -> dict[str, Any]:
        if service_id in self._state.records:
            raise ApiError(Status.ALREADY_EXISTS, f"Resource '{service_id}' already exists.")
        self._access.check_account(wanted.template)
        record = services.create_record(self.parent, service_id, wanted, str(uuid.uuid4()), _now())
        if is_dry:
            return self._describe_done(record.service)
        self._routes[service_id] = Routes()
        port = await self._open_new_address(service_id, "", preferred=0)
        uri = f"http://{HOST}:{port}"
        service = changed(record.service, lambda copy: copy.MergeFrom(type(copy)(uri=uri, urls=[uri])))
        return self._accept(replace(record, service=service, port=port), self._list_pending(record))

    async def update_service(
        self, service_id: str, wanted: Resource, mask: FieldMask, *, may_create: bool, is_dry: bool
    ) -> dict[str, Any]:
        """Change a service, and return the operation that rolls the change out."""
        async with self._change:
            if may_create and service_id not in self._state.records:
                return await self._create(service_id, wanted, is_dry)
            record = self.get_record(service_id)
            self._access.check_account(wanted.template)
            wish = services.update_record(record, wanted, mask, _now())
            if is_dry:
                return self._describe_done(wish.service)
            return self._accept(wish, self._list_pending_of(wish, record))

    def _list_pending_of(self, wish: ServiceRecord, record: ServiceRecord) -> list[str]:
        """The revisions that have to come up for a wish. One that failed is tried again when the wish names it."""
        name = short_name(wish.service.latest_created_revision)
        is_same_revision = wish.service.latest_created_revision == record.service.latest_created_revision
        is_named = any(target.revision == name for target in wish.service.traffic)
        is_retried = is_named and services.has_failed(wish.revisions[name])
        if is_same_revision and wish is not record and not is_retried:
            return []
        return self._list_pending(wish)

    def _list_pending(self, record: ServiceRecord) -> list[str]:
        """The revisions that still have to come up: the latest created one, unless it came up before."""
        name = short_name(record.service.latest_created_revision)
        return [] if services.is_ready(record.revisions[name]) else [name]

    def _accept(self, wish: ServiceRecord, new_revisions: list[str]) -> dict[str, Any]:
        operation = self.operations.start(wish.service)
        self._put(wish)
        self._begin_rollout(wish, new_revisions, operation)
        return self.operations.get(operation)

    def _begin_rollout(self, wish: ServiceRecord, new_revisions: list[str], operation: str) -> None:
        task = asyncio.create_task(self._roll_out(wish, new_revisions, operation))
        self._rollouts[operation] = (wish.service_id, task)

    async def _roll_out(self, wish: ServiceRecord, new_revisions: list[str], operation: str) -> None:
        """Get a ready instance for each revision that is to have traffic, then move the traffic.

        If one does not come up, the traffic stays as it was.
        """
        result: Resource | ApiError
        try:
            self._refuse_failed(wish)
            with ExitStack() as holds:
                warmed = await self._warm(wish, new_revisions, holds)
                await self._open_tags(wish)
                record = services.complete(self.get_record(wish.service_id), wish, warmed, _now(), HOST)
                self._put(record)
                result = record.service
        except ApiError as error:
            result = error
        except Exception as error:  # whatever it is, somebody waits for the end of the operation
            _log.exception("%s: roll-out failed", wish.service_id)
            result = ApiError(Status.INTERNAL, f"The roll-out of {wish.service_id} failed: {error!r}")
            self._put(services.fail(self.get_record(wish.service_id), wish, "", result.message, _now()))
        del self._rollouts[operation]
        self.operations.finish(operation, result)
        self._state.save()

    def _refuse_failed(self, wish: ServiceRecord) -> None:
        """Fail a wish whose traffic names an older revision that failed, even at 0 %. So Google does."""
        record, latest = self.get_record(wish.service_id), short_name(wish.service.latest_created_revision)
        for target in wish.service.traffic:
            revision = record.revisions.get(target.revision)
            if revision is not None and services.has_failed(revision) and target.revision != latest:
                message = f"Revision '{target.revision}' is not ready and cannot serve traffic."
                self._put(services.fail(record, wish, "", message, _now()))
                raise ApiError(Status.FAILED_PRECONDITION, message)

    async def _warm(self, wish: ServiceRecord, new_revisions: list[str], holds: ExitStack) -> list[str]:
        names = services.list_revisions_to_warm(wish, new_revisions)
        pools = self._routes[wish.service_id].pools
        for name in names:
            if name not in pools:
                raise not_found(f"{wish.service.name}/revisions/{name}")
            holds.enter_context(pools[name].hold())
        for name in names:
            try:
                await pools[name].warm()
            except StartupError as error:
                message = (
                    f"Revision '{name}' is not ready and cannot serve traffic. The container failed to start and "
                    f"listen on the port defined by the PORT environment variable. {error}"
                )
                record = services.fail(self.get_record(wish.service_id), wish, name, message, _now())
                self._put(record)
                raise ApiError(Status.FAILED_PRECONDITION, message) from error
        return names

    async def _open_tags(self, wish: ServiceRecord) -> None:
        """Open the addresses of the wished tags. A tag that comes back gets its old port if that is free."""
        for tag in services.list_tags(wish.service.traffic):
            known = self.get_record(wish.service_id).tag_ports.get(tag, 0)
            port = await self._open_new_address(wish.service_id, tag, preferred=known)
            record = self.get_record(wish.service_id)
            self._state.records[wish.service_id] = replace(record, tag_ports={**record.tag_ports, tag: port})

    async def _open_new_address(self, service_id: str, tag: str, preferred: int) -> int:
        while True:
            port = preferred or take_port(self._state.list_ports())
            try:
                await self._open_address(service_id, tag, port)
            except OSError:  # another program has taken the port meanwhile
                preferred = 0
            else:
                return port

    async def _open_address(self, service_id: str, tag: str, port: int) -> None:
        routes = self._routes[service_id]
        choose: ChoosePool = (lambda: routes.choose_tag(tag)) if tag else routes.choose
        check: CheckAccess = lambda headers: self._access.check(headers, self.get_record(service_id))  # noqa: E731
        await self._gateway.open(f"{service_id}/{tag}", port, choose, check)

    def set_bindings(self, service_id: str, bindings: Sequence[Mapping[str, Any]]) -> ServiceRecord:
        """Replace who has which role on a service."""
        record = replace(self.get_record(service_id), bindings=tuple(bindings))
        self._state.records[service_id] = record
        self._state.save()
        return record

    def list_permissions(self, service_id: str, asked: Sequence[str]) -> list[str]:
        """Those of the permissions that whoever asks has. A service that is not there gives none."""
        return self._access.list_permissions(asked) if service_id in self._state.records else []

    def _put(self, record: ServiceRecord) -> None:
        record = self._access.mark(record)
        self._state.records[record.service_id] = record
        self._apply(record)
        self._state.save()

    def _apply(self, record: ServiceRecord) -> None:
        """Bring pools, split and tags to what the record says."""
        routes = self._routes[record.service_id]
        percents = services.get_percents(record)
        for name, revision in record.revisions.items():
            if name not in routes.pools:
                routes.pools[name] = self._build_pool(RunPlan.from_revision(revision))
            pool = routes.pools[name]
            pool.is_routed = name in percents
            # Cloud Run divides a service's minimum among its revisions by their traffic.
            share = math.ceil(record.service.scaling.min_instance_count * percents.get(name, 0) / 100)
            pool.min_instances = max(pool.plan.min_instances, share)
        self._move_traffic(routes, percents)
        statuses = record.service.traffic_statuses
        for tag in set(routes.tags) - set(services.list_tags(statuses)):
            self._gateway.close_address(f"{record.service_id}/{tag}")
        routes.tags = services.list_served_tags(record)

    def _move_traffic(self, routes: Routes, percents: Mapping[str, int]) -> None:
        """Let requests go to revisions by percent, at once or after the delay of the conditions."""
        source = random.Random()  # noqa: S311 (not a secret)
        split = RandomSplit(percents, source) if self._conditions.has_random_split else Split(percents, source)
        if not self._conditions.traffic_delay_seconds:
            routes.split = split
            return
        routes.wish_number += 1

        def move(number: int = routes.wish_number) -> None:
            if number == routes.wish_number:
                routes.split = split

        asyncio.get_running_loop().call_later(self._conditions.traffic_delay_seconds, move)

    async def delete_service(self, service_id: str, etag: str, *, is_dry: bool) -> dict[str, Any]:
        """Delete a service with its revisions. The operation ends when the last instance has ended."""
        async with self._change:
            record = self.get_record(service_id)
            services.check_etag(record.service, etag)
            now = _now()
            deleted = changed(record.service, lambda copy: copy.delete_time.FromDatetime(now))
            if is_dry:
                return self._describe_done(deleted)
            self._abort_rollouts(service_id)
            del self._state.records[service_id]
            routes = self._routes.pop(service_id)
            for tag in ["", *routes.tags]:
                self._gateway.close_address(f"{service_id}/{tag}")
            return self._retire(list(routes.pools.values()), deleted)

    async def delete_revision(self, service_id: str, revision_id: str, etag: str, *, is_dry: bool) -> dict[str, Any]:
        """Delete a revision that no traffic and no tag points to."""
        async with self._change:
            record = services.remove_revision(self.get_record(service_id), revision_id, etag)
            now = _now()
            revision = self.get_record(service_id).revisions[revision_id]
            deleted = changed(revision, lambda copy: copy.delete_time.FromDatetime(now))
            if is_dry:
                return self._describe_done(deleted)
            pool = self._routes[service_id].pools.pop(revision_id)
            self._state.records[service_id] = record
            return self._retire([pool], deleted)

    def _retire(self, pools: list[Pool], deleted: Resource) -> dict[str, Any]:
        operation = self.operations.start(deleted)
        self._state.save()

        async def stop_pools() -> None:
            await asyncio.gather(*(pool.close() for pool in pools))
            self.operations.finish(operation, deleted)
            self._state.save()

        self._spawn(stop_pools())
        return self.operations.get(operation)

    def _abort_rollouts(self, service_id: str) -> None:
        for operation, (owner, task) in list(self._rollouts.items()):
            if owner == service_id:
                task.cancel()
                del self._rollouts[operation]
                self.operations.finish(operation, ApiError(Status.ABORTED, f"'{service_id}' was deleted."))

    def _describe_done(self, resource: Resource) -> dict[str, Any]:
        """The operation of a request that was only to be validated."""
        name = f"{self.parent}/operations/{uuid.uuid4()}"
        return {"name": name, "done": True, "metadata": to_any(resource), "response": to_any(resource)}

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _now() -> datetime:
    return datetime.now(UTC)
