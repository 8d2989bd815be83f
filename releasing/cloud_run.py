"""Cloud Run's Admin API, as far as a release uses it: a service, its revisions, and the traffic between them."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cyclone.errors import ReleaseError
from cyclone.sections import Serving
from cyclone.settings import Settings

REQUEST_SECONDS = 30
ROLLOUT_SECONDS = 300
"""A roll-out that takes longer has failed; a start may take `PROBE_COUNT` seconds."""
PROBE_COUNT = 120
CONFLICT_ATTEMPTS = 10
RETRY_SECONDS = 60.0
"""For so long a call is tried again that is answered 429 or 5xx."""
SETTLE_PAUSE_SECONDS = 0.1


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

    def __init__(self, settings: Settings, retry_seconds: float = RETRY_SECONDS) -> None:
        self.retry_seconds = retry_seconds
        self.endpoint = settings.cloud_run_endpoint
        self.parent = f"projects/{settings.cloud_run_project}/locations/{settings.cloud_run_location}"

    def read_service(self, service: str) -> RunningService | None:
        """The service as it serves now; None when there is none."""
        message = self._get(service)
        return None if message is None else _describe(service, message)

    def read_settled_service(self, service: str) -> RunningService | None:
        """The service once no roll-out is under way, as one of a killed process may be; None when there is none."""
        return None if self._get(service) is None else self._settle(service, "a roll-out")

    def deploy(
        self, service: str, revision: str, tag: str, image: str, serving: Serving, env: Mapping[str, str]
    ) -> RunningService:
        """Bring up a revision at 0 % behind a tag and wait until it is ready; a service's first one gets 100 %.

        Errors: `ReleaseError` when it does not become ready, or is another one than was asked for; the other
        revisions keep their traffic.
        """
        template = _build_template(revision, image, serving, env)
        if self._get(service) is not None or not self._create(service, template, tag):
            self._update(
                service,
                lambda message: _plan_revision(
                    message, None if revision in self.list_revisions(service) else template, revision, tag
                ),
            )
        running = self._settle(service, revision)
        self._check_revision(service, revision, image, serving)
        if running.tags.get(tag) != revision:
            raise ReleaseError(f"tag {tag} at {self._place} points to {running.tags.get(tag)}, not to {revision}")
        return running

    def move_tag(self, service: str, tag: str, revision: str) -> None:
        """Let a tag point to a revision; traffic stays."""
        self._update(service, lambda message: _plan_revision(message, None, revision, tag))
        self._settle(service, revision)

    def set_traffic(self, service: str, percents: Mapping[str, int], drop_tags: frozenset[str] = frozenset()) -> None:
        """Give each revision its percent, all others none; tags stay but for those to drop.

        Errors: `ReleaseError` also when Cloud Run serves another split afterwards than was asked for.
        """
        wished = {revision: percent for revision, percent in percents.items() if percent > 0}
        self._update(service, lambda message: _plan_traffic(message, wished, drop_tags))
        running = self._settle(service, ", ".join(wished))
        if running.percents != wished:
            raise ReleaseError(f"{service} at {self._place} serves {running.percents}, asked for was {wished}")

    def list_revisions(self, service: str) -> list[str]:
        """The names of a service's revisions, the newest first."""
        with self._talking():
            found = self._client("RevisionsClient").list_revisions(parent=self._path(service), **self._call)
            return [_last(item.name) for item in sorted(found, key=lambda item: item.create_time, reverse=True)]

    def read_variable(self, service: str, revision: str, name: str) -> str:
        """The value that a variable of a revision was deployed with; empty without it or without the revision."""
        from google.api_core.exceptions import NotFound

        with self._talking():
            try:
                found = self._client("RevisionsClient").get_revision(name=self._path(service, revision), **self._call)
            except NotFound:
                return ""
        return next((variable.value for variable in found.containers[0].env if variable.name == name), "")

    def read_serving(self, service: str, revision: str, serving: Serving) -> Serving:
        """`serving` with the instances, CPU and memory that a revision was deployed with."""
        with self._talking():
            found = self._client("RevisionsClient").get_revision(name=self._path(service, revision), **self._call)
        limits = found.containers[0].resources.limits
        deployed = {
            "concurrency": found.max_instance_request_concurrency,
            "min_instances": found.scaling.min_instance_count,
            "max_instances": found.scaling.max_instance_count,
            "cpu": limits["cpu"],
            "memory": limits["memory"],
        }
        return serving.model_copy(update=deployed)

    def delete_revision(self, service: str, revision: str) -> None:
        """Delete a revision that neither traffic nor a tag points to; one that is gone is fine."""
        from google.api_core.exceptions import NotFound

        with self._talking():
            client = self._client("RevisionsClient")
            try:
                operation = client.delete_revision(name=self._path(service, revision), **self._call)
                self._wait(operation)
            except NotFound:
                return

    def _create(self, service: str, template: Any, tag: str) -> bool:
        """False when somebody else has made the service meanwhile, or we, in a call that seemed to fail."""
        from google.api_core.exceptions import Conflict
        from google.cloud import run_v2

        latest = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
        message = run_v2.Service(template=template, traffic=[{"type_": latest, "percent": 100, "tag": tag}])
        with self._talking():
            try:
                operation = self._client("ServicesClient").create_service(
                    parent=self.parent, service=message, service_id=service, **self._call
                )
            except Conflict:
                return False
            self._wait(operation)
        return True

    def _update(self, service: str, plan: Plan) -> None:
        """Read, change, write back with the etag; read again when somebody else was faster."""
        from google.api_core.exceptions import Conflict
        from google.protobuf.field_mask_pb2 import FieldMask

        mask = FieldMask(paths=["template", "traffic"])
        with self._talking():
            client = self._client("ServicesClient")
            for _ in range(CONFLICT_ATTEMPTS):
                message = client.get_service(name=self._path(service), **self._call)
                if not plan(message):
                    return
                try:
                    self._wait(client.update_service(service=message, update_mask=mask, **self._call))
                except Conflict:
                    continue
                return
        raise ReleaseError(
            f"service {service} at {self._place} was changed by others {CONFLICT_ATTEMPTS} times in a row; try again"
        )

    def _settle(self, service: str, what: str) -> RunningService:
        """The service once no roll-out is under way: one may be, of a call that was killed or seemed to fail."""
        deadline = time.monotonic() + ROLLOUT_SECONDS
        while (message := self._get(service)) is not None:
            if not message.reconciling:
                return _describe(service, message)
            if time.monotonic() > deadline:
                raise ReleaseError(f"service {service} at {self._place} still rolls out after {ROLLOUT_SECONDS} s")
            time.sleep(SETTLE_PAUSE_SECONDS)
        raise ReleaseError(f"service {service} at {self._place} was deleted while {what} came up")

    def _check_revision(self, service: str, revision: str, image: str, serving: Serving) -> None:
        with self._talking():
            found = self._client("RevisionsClient").get_revision(name=self._path(service, revision), **self._call)
        condition = next((item for item in found.conditions if item.type_ == "Ready"), None)
        if condition is None or condition.state != type(condition.state).CONDITION_SUCCEEDED:
            said = condition.message if condition is not None else "it has no condition Ready"
            raise ReleaseError(f"revision {revision} at {self._place} is not ready: {said}; traffic is as it was")
        asked = (image, serving.min_instances, serving.max_instances)
        got = (found.containers[0].image, found.scaling.min_instance_count, found.scaling.max_instance_count)
        if got != asked:
            raise ReleaseError(
                f"revision {revision} at {self._place} is there already with image and instances {got},"
                f" asked for was {asked}"
            )

    def _get(self, service: str) -> Any | None:
        from google.api_core.exceptions import NotFound

        with self._talking():
            try:
                return self._client("ServicesClient").get_service(name=self._path(service), **self._call)
            except NotFound:
                return None

    def _wait(self, operation: Any) -> None:
        from google.api_core.future.polling import DEFAULT_POLLING

        polling = DEFAULT_POLLING.with_delay(initial=0.1, maximum=2)  # keeps asking while it is not complete
        polling = polling.with_timeout(ROLLOUT_SECONDS)
        operation.result(timeout=ROLLOUT_SECONDS, retry=self._call["retry"], polling=polling)

    @property
    def _call(self) -> dict[str, Any]:
        """How each call is made: what Google or the way there cannot do now is tried again, with growing pauses."""
        from google.api_core import exceptions
        from google.api_core.retry import Retry, if_exception_type

        passing = if_exception_type(
            exceptions.TooManyRequests,
            exceptions.InternalServerError,
            exceptions.BadGateway,
            exceptions.ServiceUnavailable,
            exceptions.GatewayTimeout,
        )
        retry = Retry(passing, initial=0.2, multiplier=2, maximum=10, timeout=self.retry_seconds)
        return {"retry": retry, "timeout": REQUEST_SECONDS}

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


def _plan_revision(message: Any, template: Any | None, revision: str, tag: str) -> bool:
    """Without a template the revision is there already, and only its tag may be missing."""
    running = _describe("", message)
    is_wished = any((target.tag, target.revision) == (tag, revision) for target in message.traffic)
    if running.tags.get(tag) == revision or (is_wished and message.reconciling):
        return False
    if template is not None:
        message.template = template
    # Where nothing serves, as the first revision never came up, the whole traffic waits for this one.
    message.traffic = _list_targets(running.percents or {revision: 100}, {**running.tags, tag: revision})
    return True


def _plan_traffic(message: Any, wished: dict[str, int], drop_tags: frozenset[str]) -> bool:
    running = _describe("", message)
    tags = {tag: revision for tag, revision in running.tags.items() if tag not in drop_tags}
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
