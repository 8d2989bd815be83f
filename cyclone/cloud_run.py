"""Cloud Run's Admin API, as far as a release uses it: a service, its revisions, and the traffic between them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cyclone.errors import ReleaseError
from cyclone.settings import Settings
from cyclone.spec import Serving

REQUEST_SECONDS = 30
ROLLOUT_SECONDS = 300
"""A roll-out that takes longer has failed; a start may take `PROBE_COUNT` seconds."""
PROBE_COUNT = 120
CONFLICT_ATTEMPTS = 10


@dataclass(frozen=True)
class RunningService:
    """A service as it serves now: percent by revision, and what each tag points to and answers at."""

    name: str
    address: str
    percents: dict[str, int]
    tags: dict[str, str]
    tag_addresses: dict[str, str]


Plan = Callable[[Any], bool]
"""Changes a service's message in place; False when it is as wished already."""


class CloudRun:
    """Services of one project and location. Errors: `ReleaseError` naming the endpoint and what it said.

    An empty endpoint is Google's, with application default credentials; an `http` one is asked without any.
    """

    def __init__(self, settings: Settings) -> None:
        self.endpoint = settings.cloud_run_endpoint
        self.parent = f"projects/{settings.cloud_run_project}/locations/{settings.cloud_run_location}"

    def read_service(self, service: str) -> RunningService | None:
        """The service as it serves now; None when there is none."""
        message = self._get(service)
        return None if message is None else _describe(service, message)

    def deploy(
        self, service: str, revision: str, tag: str, image: str, serving: Serving, env: Mapping[str, str]
    ) -> RunningService:
        """Bring up a revision at 0 % behind a tag and wait until it is ready; a service's first one gets 100 %.

        Errors: `ReleaseError` when it does not become ready; the other revisions keep their traffic.
        """
        template = _build_template(revision, image, serving, env)
        if self._get(service) is None:
            self._create(service, template, tag)
        else:
            self._update(service, lambda message: _plan_revision(message, template, revision, tag))
        self._check_ready(service, revision)
        running = self.read_service(service)
        if running is None:
            raise ReleaseError(f"service {service} at {self._place} was deleted while {revision} came up")
        return running

    def set_traffic(self, service: str, percents: Mapping[str, int], drop_tags: frozenset[str] = frozenset()) -> None:
        """Give each revision its percent, all others none; tags stay but for those to drop."""
        self._update(service, lambda message: _plan_traffic(message, dict(percents), drop_tags))

    def list_revisions(self, service: str) -> list[str]:
        """The names of a service's revisions, the newest first."""
        with self._talking():
            found = self._client("RevisionsClient").list_revisions(parent=self._path(service), timeout=REQUEST_SECONDS)
            return [_last(item.name) for item in sorted(found, key=lambda item: item.create_time, reverse=True)]

    def delete_revision(self, service: str, revision: str) -> None:
        """Delete a revision that neither traffic nor a tag points to; one that is gone is fine."""
        from google.api_core.exceptions import NotFound

        with self._talking():
            client = self._client("RevisionsClient")
            try:
                operation = client.delete_revision(name=self._path(service, revision), timeout=REQUEST_SECONDS)
                self._wait(operation)
            except NotFound:
                return

    def _create(self, service: str, template: Any, tag: str) -> None:
        from google.cloud import run_v2

        latest = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
        message = run_v2.Service(template=template, traffic=[{"type_": latest, "percent": 100, "tag": tag}])
        with self._talking():
            operation = self._client("ServicesClient").create_service(
                parent=self.parent, service=message, service_id=service, timeout=REQUEST_SECONDS
            )
            self._wait(operation)

    def _update(self, service: str, plan: Plan) -> None:
        """Read, change, write back with the etag; read again when somebody else was faster."""
        from google.api_core.exceptions import AlreadyExists, Conflict
        from google.protobuf.field_mask_pb2 import FieldMask

        mask = FieldMask(paths=["template", "traffic"])
        with self._talking():
            client = self._client("ServicesClient")
            for _ in range(CONFLICT_ATTEMPTS):
                message = client.get_service(name=self._path(service), timeout=REQUEST_SECONDS)
                if not plan(message):
                    return
                try:
                    self._wait(client.update_service(service=message, update_mask=mask, timeout=REQUEST_SECONDS))
                except AlreadyExists:
                    raise
                except Conflict:
                    continue
                return
        raise ReleaseError(
            f"service {service} at {self._place} was changed by others {CONFLICT_ATTEMPTS} times in a row; try again"
        )

    def _check_ready(self, service: str, revision: str) -> None:
        with self._talking():
            found = self._client("RevisionsClient").get_revision(
                name=self._path(service, revision), timeout=REQUEST_SECONDS
            )
        condition = next((item for item in found.conditions if item.type_ == "Ready"), None)
        if condition is None or condition.state != type(condition.state).CONDITION_SUCCEEDED:
            said = condition.message if condition is not None else "it has no condition Ready"
            raise ReleaseError(f"revision {revision} at {self._place} is not ready: {said}; traffic is as it was")

    def _get(self, service: str) -> Any | None:
        from google.api_core.exceptions import NotFound

        with self._talking():
            try:
                return self._client("ServicesClient").get_service(name=self._path(service), timeout=REQUEST_SECONDS)
            except NotFound:
                return None

    def _wait(self, operation: Any) -> None:
        from google.api_core.future.polling import DEFAULT_POLLING

        polling = DEFAULT_POLLING.with_delay(initial=0.1, maximum=2)  # keeps asking while it is not complete
        operation.result(timeout=ROLLOUT_SECONDS, polling=polling.with_timeout(ROLLOUT_SECONDS))

    def _client(self, kind: str) -> Any:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import run_v2

        if not self.endpoint:
            return getattr(run_v2, kind)()
        return getattr(run_v2, kind)(
            credentials=AnonymousCredentials() if self.endpoint.startswith("http://") else None,
            transport="rest",
            client_options={"api_endpoint": self.endpoint},
        )

    def _path(self, service: str, revision: str = "") -> str:
        path = f"{self.parent}/services/{service}"
        return f"{path}/revisions/{revision}" if revision else path

    @property
    def _place(self) -> str:
        return f"{self.endpoint or 'run.googleapis.com'} ({self.parent})"

    @contextmanager
    def _talking(self) -> Iterator[None]:
        import requests
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError

        try:
            yield
        except requests.RequestException as error:
            raise ReleaseError(f"Cloud Run at {self._place} does not answer: {error}") from error
        except (GoogleAPIError, GoogleAuthError, TimeoutError) as error:
            raise ReleaseError(f"Cloud Run at {self._place} refused: {error}") from error


def _build_template(revision: str, image: str, serving: Serving, env: Mapping[str, str]) -> Any:
    from google.cloud import run_v2

    probe = {
        "http_get": {"path": "/readyz"},
        "period_seconds": 1,
        "timeout_seconds": 1,
        "failure_threshold": PROBE_COUNT,
    }
    container = {
        "image": image,
        "env": [{"name": name, "value": value} for name, value in sorted(env.items())],
        # Idle CPU: the log's background writer works after the answer has left.
        "resources": {"limits": {"cpu": serving.cpu, "memory": serving.memory}, "cpu_idle": False},
        "startup_probe": probe,
    }
    return run_v2.RevisionTemplate(
        revision=revision,
        containers=[container],
        max_instance_request_concurrency=serving.concurrency,
        scaling={"min_instance_count": serving.min_instances, "max_instance_count": serving.max_instances},
    )


def _plan_revision(message: Any, template: Any, revision: str, tag: str) -> bool:
    running = _describe("", message)
    if running.tags.get(tag) == revision:
        return False
    message.template = template
    # Where nothing serves, as the first revision never came up, the whole traffic waits for this one.
    message.traffic = _list_targets(running.percents or {revision: 100}, {**running.tags, tag: revision})
    return True


def _plan_traffic(message: Any, percents: dict[str, int], drop_tags: frozenset[str]) -> bool:
    running = _describe("", message)
    tags = {tag: revision for tag, revision in running.tags.items() if tag not in drop_tags}
    wished = {revision: percent for revision, percent in percents.items() if percent > 0}
    targets = _list_targets(wished, tags)
    if (running.percents, running.tags) == (wished, tags) and list(message.traffic) == targets:
        return False
    message.traffic = targets
    return True


def _list_targets(percents: Mapping[str, int], tags: Mapping[str, str]) -> list[Any]:
    """One target a revision with traffic, and one a tag; a revision's first tag shares its target."""
    from google.cloud import run_v2

    pinned = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
    left = dict(percents)
    targets = [
        run_v2.TrafficTarget(type_=pinned, revision=revision, percent=left.pop(revision, 0), tag=tag)
        for tag, revision in sorted(tags.items())
    ]
    rest = [
        run_v2.TrafficTarget(type_=pinned, revision=revision, percent=percent)
        for revision, percent in sorted(left.items())
    ]
    return targets + rest


def _describe(service: str, message: Any) -> RunningService:
    percents: dict[str, int] = {}
    for status in message.traffic_statuses:
        if status.percent > 0:
            percents[_last(status.revision)] = percents.get(_last(status.revision), 0) + status.percent
    tagged = [status for status in message.traffic_statuses if status.tag]
    return RunningService(
        name=service,
        address=message.uri,
        percents=percents,
        tags={status.tag: _last(status.revision) for status in tagged},
        tag_addresses={status.tag: status.uri for status in tagged},
    )


def _last(name: str) -> str:
    return name.rsplit("/", 1)[-1]
