"""The messages of Cloud Run's Admin API: what a service serves, and how a release changes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cyclone.sections import Serving

# The start-up probe asks so often, once a second. A large model takes its time to load.
PROBE_COUNT = 120


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


def build_template(revision: str, image: str, serving: Serving, env: Mapping[str, str]) -> Any:
    """The message of a revision: its image, variables, resources and start-up probe."""
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
        # An idle instance keeps its CPU, because the log's background writer works after the answer has left.
        "resources": {"limits": {"cpu": serving.cpu, "memory": serving.memory}, "cpu_idle": False},
        "startup_probe": probe,
    }
    return run_v2.RevisionTemplate(
        revision=revision,
        containers=[container],
        max_instance_request_concurrency=serving.concurrency,
        scaling={"min_instance_count": serving.min_instances, "max_instance_count": serving.max_instances},
    )


def plan_revision(message: Any, template: Any | None, revision: str, tag: str) -> bool:
    """Change the service's message so that it has the revision behind its tag. False if it has already.

    Without a template the revision exists, and only its tag may be missing.
    """
    running = describe_service("", message)
    is_wished = any((target.tag, target.revision) == (tag, revision) for target in message.traffic)
    if running.tags.get(tag) == revision or (is_wished and message.reconciling):
        return False
    if template is not None:
        message.template = template
    # If nothing serves, because the first revision never came up, all traffic waits for this one.
    message.traffic = _list_targets(running.percents or {revision: 100}, {**running.tags, tag: revision})
    return True


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
            percents[take_last(status.revision)] = percents.get(take_last(status.revision), 0) + status.percent
    tagged = [status for status in message.traffic_statuses if status.tag]
    return RunningService(
        name=service,
        address=message.uri,
        percents=percents,
        tags={status.tag: take_last(status.revision) for status in tagged},
        tag_addresses={status.tag: status.uri for status in tagged},
    )


def show_split(percents: Mapping[str, int]) -> str:
    """A traffic split in words, such as "bike-demand-v1 95 %, bike-demand-v2 5 %"."""
    return ", ".join(f"{revision} {percent} %" for revision, percent in sorted(percents.items())) or "nothing"


def take_last(name: str) -> str:
    """The last part of a resource's full name."""
    return name.rsplit("/", 1)[-1]
