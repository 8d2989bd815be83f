"""The messages of Cloud Run's Admin API: what a service serves, and how a release changes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from releasing.revisions.template import RevisionWish, build_template


@dataclass(frozen=True)
class RunningService:
    """A service as it serves now.

    `percents` is the traffic of each revision. `tags` is the revision of each tag, and `tag_addresses` its URL.
    """

    name: str
    address: str
    percents: dict[str, int]
    tags: dict[str, str]
    tag_addresses: dict[str, str]
    is_open: bool = False
    """Whether everybody may call it without an ID token. It may still ask for bearer keys."""


def plan_revision(message: Any, wish: RevisionWish | None, revision: str, tag: str) -> bool:
    """Change the service's message so that it has the revision behind its tag. False if it has already.

    Without a wish the revision exists, and only its tag may be missing.
    """
    running = describe_service("", message)
    is_wished = any((target.tag, target.revision) == (tag, revision) for target in message.traffic)
    if running.tags.get(tag) == revision or (is_wished and message.reconciling):
        return False
    if wish is not None:
        message.scaling.min_instance_count = find_minimum(message, wish)
        message.template = build_template(message.template, wish)
    # If nothing serves, because the first revision never came up, all traffic waits for this one.
    message.traffic = _list_targets(running.percents or {revision: 100}, {**running.tags, tag: revision})
    return True


def find_minimum(message: Any, wish: RevisionWish) -> int:
    """The instances that a service keeps: those of `model.yaml`, or what the service has where it says nothing.

    A service of an older Cyclone has them in its template.
    """
    if "min_instances" in wish.serving.model_fields_set:
        return wish.serving.min_instances
    return int(max(message.scaling.min_instance_count, message.template.scaling.min_instance_count))


def plan_traffic(message: Any, wished: dict[str, int], drop_tags: frozenset[str]) -> bool:
    """Change the service's message so that its traffic is split as wished. False if it is already."""
    running = describe_service("", message)
    tags = {tag: revision for tag, revision in running.tags.items() if tag not in drop_tags}
    targets = _list_targets(wished, tags)
    if (running.percents, running.tags) == (wished, tags) and list(message.traffic) == targets:
        return False
    message.traffic = targets
    return True


def _list_targets(percents: Mapping[str, int], tags: Mapping[str, str]) -> list[Any]:
    """The traffic targets: one for each tag, and one for each revision with traffic that has no tag.

    The traffic of a revision with tags goes with its first tag.
    """
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


def describe_service(service: str, message: Any) -> RunningService:
    """The service as its message says that it serves now."""
    percents: dict[str, int] = {}
    for status in message.traffic_statuses:
        if status.percent > 0:
            revision = _find_revision(message, status)
            percents[revision] = percents.get(revision, 0) + status.percent
    tagged = [status for status in message.traffic_statuses if status.tag]
    return RunningService(
        name=service,
        address=message.uri,
        percents=percents,
        tags={status.tag: _find_revision(message, status) for status in tagged},
        tag_addresses={status.tag: status.uri for status in tagged},
        is_open=message.invoker_iam_disabled,
    )


def _find_revision(message: Any, status: Any) -> str:
    """The revision behind a target. One that follows the latest revision names none itself."""
    return take_last(status.revision or message.latest_ready_revision)


def list_changes(before: Any, after: Any) -> list[str]:
    """The fields of a service that a plan has changed."""
    names = ("template", "traffic", "scaling", "annotations")
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def show_split(percents: Mapping[str, int]) -> str:
    """A traffic split in words, such as "bike-demand-v1 95 %, bike-demand-v2 5 %"."""
    return ", ".join(f"{revision} {percent} %" for revision, percent in sorted(percents.items())) or "nothing"


def take_last(name: str) -> str:
    """The last part of a resource's full name."""
    return name.rsplit("/", 1)[-1]
