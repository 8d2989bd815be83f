"""The client of Cloud Run's Admin API, as far as a release uses it: services, revisions, tags and traffic."""

import copy
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from cyclone.errors import ReleaseError
from cyclone.installation.secret_manager import read_secret
from cyclone.sections import Serving
from cyclone.settings import Settings
from releasing.admin_api import RETRY_SECONDS, ROLLOUT_SECONDS, AdminApi
from releasing.revisions.deployment import Deployment
from releasing.revisions.template import RevisionWish, build_template, find_model_container
from releasing.service_messages import (
    RunningService,
    describe_service,
    list_changes,
    plan_revision,
    plan_traffic,
    show_split,
    take_last,
)

# How often a change is tried that others were faster with. A retraining and a person's commands rarely meet even twice.
CONFLICT_ATTEMPTS = 10
# The pauses between two questions whether a roll-out has ended. A roll-back waits for it, so the first is short. They
# double up to the longest, because Google limits the calls a minute.
SETTLE_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0
FENCE_ANNOTATION = "cyclone-fence"
"""The annotation of a service with the number of the lock under which its traffic was last written.

So each holder of the lock changes the service's `etag`, even one that finds the traffic right. What an earlier holder
has read before is refused then.
"""

log = logging.getLogger(__name__)
Plan = Callable[[Any], bool]
"""A function that changes the message of a service in place. It returns False if there is nothing to change."""


class Fence(Protocol):
    """What allows changes. `check` fails once they are not allowed any more. `number` is that of a lock, 0 without."""

    @property
    def number(self) -> int: ...

    def check(self) -> None: ...


class CloudRun:
    """The services of one Google project and location.

    With a `fence`, each change is made only if the fence allows it, and so is each new try.
    Errors: every method raises `ReleaseError` with the endpoint and what it said.
    """

    def __init__(self, settings: Settings, fence: Fence | None = None, retry_seconds: float = RETRY_SECONDS) -> None:
        self._fence = fence
        self._api = AdminApi(settings, retry_seconds)
        self._secret_manager = settings.secret_manager_endpoint

    def read_service(self, service: str) -> RunningService | None:
        """The service as it serves now, or None when there is none."""
        message = self._get(service)
        return None if message is None else describe_service(service, message)

    @property
    def place(self) -> str:
        """The endpoint, project and location, as messages name them."""
        return self._api.place

    def list_permissions(self, service: str, asked: Sequence[str]) -> list[str]:
        """Those of the permissions that this account has on a service."""
        request = {"resource": self._api.path(service), "permissions": list(asked)}
        with self._api.talking():
            client = self._api.client("ServicesClient")
            return list(client.test_iam_permissions(request=request, **self._api.call).permissions)

    def read_settled_service(self, service: str) -> RunningService | None:
        """The service once no roll-out is under way, or None when there is none.

        A process that was killed may have left a roll-out under way.
        """
        return None if self._get(service) is None else self._settle(service, "a roll-out")

    def deploy(
        self,
        service: str,
        revision: str,
        tag: str,
        image: str,
        serving: Serving,
        env: Mapping[str, str],
        deployment: Deployment | None = None,
    ) -> RunningService:
        """Deploy a revision with 0 % of the traffic behind a tag, and wait until it is ready.

        The first revision of a service gets 100 %. A revision that is there already only gets the tag.
        The new revision is made from the service's present template. What a release does not own stays.
        Errors: `ReleaseError` when it does not become ready, or is not what was asked for. Then the other revisions
        keep their traffic.
        """
        wish = RevisionWish(revision, image, serving, env, deployment or Deployment())
        if self._get(service) is not None or not self._create(service, wish, tag):
            try:
                self._update(
                    service,
                    lambda message: plan_revision(
                        message, None if revision in self.list_revisions(service) else wish, revision, tag
                    ),
                )
            except ReleaseError:
                self._drop_failed(service, revision, tag)
                raise
        running = self._settle(service, revision)
        self._check_revision(service, revision, image, serving)
        if running.tags.get(tag) != revision:
            raise ReleaseError(
                f"tag {tag} of service {service} at {self._api.place} points to {running.tags.get(tag)}, not to"
                f" {revision}. Look whether something else moves tags, and try again"
            )
        return running

    def _drop_failed(self, service: str, revision: str, tag: str) -> None:
        """Take a revision that did not come up out of the traffic list. Left there, it fails all later changes."""
        try:
            message = self._get(service)
            if message is None or not any((item.tag, item.revision) == (tag, revision) for item in message.traffic):
                return
            if self._is_ready(service, revision):
                return  # something else failed, and the next try goes on from here
            running = describe_service(service, message)
            if running.percents and revision not in running.percents:
                self._update(service, lambda message: plan_traffic(message, running.percents, frozenset({tag})))
        except ReleaseError as error:
            log.warning("%s stays in the traffic list of %s: %s", revision, service, error)

    def move_tag(self, service: str, tag: str, revision: str) -> None:
        """Let a tag point to a revision. The traffic stays as it is."""
        self._update(service, lambda message: plan_revision(message, None, revision, tag))
        self._settle(service, revision)
        self._check_fence()

    def set_traffic(self, service: str, percents: Mapping[str, int], drop_tags: frozenset[str] = frozenset()) -> None:
        """Give each named revision its percent of the traffic, and all others none. Tags stay, except `drop_tags`.

        Errors: `ReleaseError`, also when Cloud Run then serves another split than was asked for.
        """
        wished = {revision: percent for revision, percent in percents.items() if percent > 0}
        self._update(service, lambda message: plan_traffic(message, wished, drop_tags))
        running = self._settle(service, ", ".join(wished))
        self._check_fence()  # if the lock was lost, its next holder sets the traffic, and what is read here is theirs
        if running.percents != wished:
            raise ReleaseError(
                f"{service} at {self._api.place} serves {show_split(running.percents)}, and asked for was"
                f" {show_split(wished)}. Look whether something else moves its traffic, then type `cyclone reconcile`"
                " with the model's name"
            )

    def list_revisions(self, service: str) -> list[str]:
        """The names of a service's revisions, the newest first."""
        with self._api.talking():
            found = self._api.client("RevisionsClient").list_revisions(parent=self._api.path(service), **self._api.call)
            return [take_last(item.name) for item in sorted(found, key=lambda item: item.create_time, reverse=True)]

    def read_variable(self, service: str, revision: str, name: str) -> str:
        """The value of a variable that a revision was deployed with. It is empty if either does not exist.

        A value that comes from a secret is read from there.
        """
        if secret := self.find_secret(service, revision, name):
            return read_secret(secret, self._secret_manager)
        variable = self._find_variable(service, revision, name)
        return "" if variable is None else str(variable.value)

    def find_secret(self, service: str, revision: str, name: str) -> str:
        """The secret's version that gives a variable of a revision its value. Empty when none does."""
        variable = self._find_variable(service, revision, name)
        if variable is None or "value_source" not in variable:
            return ""
        selected = variable.value_source.secret_key_ref
        secret = selected.secret if "/" in selected.secret else f"{self._api.project}/secrets/{selected.secret}"
        return f"{secret}/versions/{selected.version or 'latest'}"

    def _find_variable(self, service: str, revision: str, name: str) -> Any:
        found = self._get_revision(service, revision)
        variables = [] if found is None else find_model_container(found).env
        return next((each for each in variables if each.name == name), None)

    def read_serving(self, service: str, revision: str, serving: Serving) -> Serving:
        """`serving` with the concurrency, most instances, CPU and memory that a revision was deployed with."""
        found = self._require_revision(service, revision)
        limits = find_model_container(found).resources.limits
        deployed = {
            "concurrency": found.max_instance_request_concurrency,
            "max_instances": found.scaling.max_instance_count,
            "cpu": limits["cpu"],
            "memory": limits["memory"],
        }
        return serving.model_copy(update=deployed)

    def delete_revision(self, service: str, revision: str) -> None:
        """Delete a revision without traffic and without a tag. Nothing happens if it is gone already."""
        from google.api_core.exceptions import NotFound

        self._check_fence()
        with self._api.talking():
            client = self._api.client("RevisionsClient")
            try:
                operation = client.delete_revision(name=self._api.path(service, revision), **self._api.call)
                self._api.wait(operation)
            except NotFound:
                return

    def delete_service(self, service: str) -> bool:
        """Delete a service with its revisions. False if it is gone already."""
        from google.api_core.exceptions import NotFound

        self._check_fence()
        with self._api.talking():
            client = self._api.client("ServicesClient")
            try:
                self._api.wait(client.delete_service(name=self._api.path(service), **self._api.call))
            except NotFound:
                return False
        return True

    def _create(self, service: str, wish: RevisionWish, tag: str) -> bool:
        """Create the service with its first revision. False when the service exists.

        Somebody else may have created it meanwhile, or an earlier call of ours that seemed to fail.
        """
        from google.api_core.exceptions import Conflict
        from google.cloud import run_v2

        latest = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
        message = run_v2.Service(  # Cloud Run refuses a new service whose traffic names a revision
            template=build_template(None, wish),
            traffic=[{"type_": latest, "percent": 100, "tag": tag}],
            scaling={"min_instance_count": wish.serving.min_instances},
        )
        self._check_fence()
        with self._api.talking():
            try:
                operation = self._api.client("ServicesClient").create_service(
                    parent=self._api.parent, service=message, service_id=service, **self._api.call
                )
            except Conflict:
                return False
            self._api.wait(operation)
        return True

    def _update(self, service: str, plan: Plan) -> None:
        """Read the service, ask the fence, change the service by `plan`, and write back what changed, with its etag.

        If somebody else was faster, all of this is done again, `CONFLICT_ATTEMPTS` times at most. The fence is asked
        after the reading: who gets the lock later than that writes the service later, and the etag tells.
        """
        from google.api_core.exceptions import Conflict
        from google.protobuf.field_mask_pb2 import FieldMask

        with self._api.talking():
            client = self._api.client("ServicesClient")
            for _ in range(CONFLICT_ATTEMPTS):
                message = client.get_service(name=self._api.path(service), **self._api.call)
                self._check_fence()
                before = copy.deepcopy(message)
                is_stamped, is_changed = self._stamp(message), plan(message)
                if not is_stamped and not is_changed:
                    return
                mask = FieldMask(paths=list_changes(before, message))
                try:
                    self._api.wait(client.update_service(service=message, update_mask=mask, **self._api.call))
                except Conflict:
                    continue
                return
        raise ReleaseError(
            f"service {service} at {self._api.place} was changed by others {CONFLICT_ATTEMPTS} times in a row. Look"
            " what else changes it, and try again"
        )

    def _check_fence(self) -> None:
        if self._fence is not None:
            self._fence.check()

    def _stamp(self, message: Any) -> bool:
        """Note the number of the lock in the service's message. False if there is none, or it is noted already."""
        number = str(self._fence.number) if self._fence and self._fence.number else None
        if number in (None, message.annotations.get(FENCE_ANNOTATION)):
            return False
        message.annotations[FENCE_ANNOTATION] = number
        return True

    def _settle(self, service: str, what: str) -> RunningService:
        """The service once no roll-out is under way. `what` names in errors what is waited for.

        Errors: `ReleaseError` after `ROLLOUT_SECONDS`, or when the service is deleted meanwhile.
        """
        deadline, pause = time.monotonic() + ROLLOUT_SECONDS, SETTLE_PAUSE_SECONDS
        while (message := self._get(service)) is not None:
            if not message.reconciling:
                return describe_service(service, message)
            if time.monotonic() > deadline:
                raise ReleaseError(
                    f"service {service} at {self._api.place} still rolls out after {ROLLOUT_SECONDS} s. Look at the"
                    " logs of its newest revision"
                )
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        raise ReleaseError(
            f"service {service} at {self._api.place} was deleted while {what} came up. Start again with"
            " `cyclone retrain` and the model's name"
        )

    def _check_revision(self, service: str, revision: str, image: str, serving: Serving) -> None:
        found = self._require_revision(service, revision)
        condition = _find_condition(found)
        if condition is None or condition.state != type(condition.state).CONDITION_SUCCEEDED:
            said = condition.message if condition is not None else "it has no condition Ready"
            raise ReleaseError(
                f"revision {revision} at {self._api.place} is not ready, and traffic is as it was. Cloud Run says:"
                f" {said}"
            )
        asked = (image, serving.max_instances)
        got = (find_model_container(found).image, found.scaling.max_instance_count)
        if got != asked:
            raise ReleaseError(
                f"revision {revision} at {self._api.place} is there already with image {got[0]} and up to {got[1]}"
                f" instances. Asked for was image {asked[0]} and up to {asked[1]} instances. Delete the revision if"
                " nothing serves it, and try again"
            )

    def _is_ready(self, service: str, revision: str) -> bool:
        found = self._get_revision(service, revision)
        condition = None if found is None else _find_condition(found)
        return condition is not None and condition.state == type(condition.state).CONDITION_SUCCEEDED

    def _require_revision(self, service: str, revision: str) -> Any:
        with self._api.talking():
            return self._api.client("RevisionsClient").get_revision(
                name=self._api.path(service, revision), **self._api.call
            )

    def _get_revision(self, service: str, revision: str) -> Any | None:
        from google.api_core.exceptions import NotFound

        with self._api.talking():
            try:
                return self._api.client("RevisionsClient").get_revision(
                    name=self._api.path(service, revision), **self._api.call
                )
            except NotFound:
                return None

    def _get(self, service: str) -> Any | None:
        from google.api_core.exceptions import NotFound

        with self._api.talking():
            try:
                return self._api.client("ServicesClient").get_service(name=self._api.path(service), **self._api.call)
            except NotFound:
                return None


def _find_condition(revision: Any) -> Any | None:
    return next((item for item in revision.conditions if item.type_ == "Ready"), None)
