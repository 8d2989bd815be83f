"""What a store tells of its models: what a later release must tell of a dump of it, too."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

from cyclone.lineage.explain import explain
from cyclone.policy.what_if import judge_unrecorded
from cyclone.sections import CheckKind
from cyclone.spec import ModelSpec
from cyclone.store import Store
from tests.support.statements import execute

ROLLUPS = {
    "features": (
        "SELECT version, feature, bin, sum(count), count(*) FROM feature_rollup GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    ),
    "errors": (
        # By the day on which the labels were due, which is that of their observation in these stores.
        "SELECT version, date_trunc('day', bucket_start + interval '24 hours'), sum(count), sum(sum_absolute_error),"
        " sum(sum_label),"
        " sum(sum_prediction) FROM error_rollup GROUP BY 1, 2 ORDER BY 1, 2"
    ),
    "rows": "SELECT version, date_trunc('day', bucket_start), sum(count) FROM row_rollup GROUP BY 1, 2 ORDER BY 1, 2",
    "requests": "SELECT version, sum(requests), sum(failures) FROM request_rollup GROUP BY 1 ORDER BY 1",
}
DAYS_JUDGED = 5
TOLERANCE = 1e-6
"""A sum of floating-point numbers depends on its order, and that on the plan."""


def tell_story(store: Store, spec: ModelSpec) -> dict[str, Any]:
    """Verdicts, roll-ups, lineage and log as plain JSON."""
    with store.connected() as kept:
        return _tell(kept, spec)


def _tell(store: Store, spec: ModelSpec) -> dict[str, Any]:
    days = list_days(store)
    story = {
        "verdicts": {f"{day:%Y-%m-%d}": read_verdicts(store, spec, day) for day in days},
        "judged": {f"{day:%Y-%m-%d}": judge_again(store, spec, day) for day in days[-DAYS_JUDGED:]},
        "rollups": read_rollups(store),
        "lineage": read_lineage(store, spec),
        "timeline": store.fetch("lineage/timeline", model=spec.name),
        "log": {
            "revisions": store.fetch("log/by_revision", model=spec.name),
            "incomplete_windows": store.fetch("log/incomplete_windows", model=spec.name, newest=1000),
            "set_aside": store.fetch("log/set_aside", model=spec.name),
            "count": store.fetch_one("log/count", model=spec.name),
        },
    }
    told: dict[str, Any] = to_plain(story)
    return told


def read_rollups(store: Store) -> dict[str, Any]:
    """Sums over each table of roll-ups."""
    told: dict[str, Any] = to_plain({name: execute(store, statement) for name, statement in ROLLUPS.items()})
    return told


def list_days(store: Store) -> list[datetime]:
    """The ends of the days on which verdicts were recorded."""
    return [day for (day,) in execute(store, "SELECT DISTINCT window_end FROM check_result ORDER BY 1")]


def read_verdicts(store: Store, spec: ModelSpec, day: datetime) -> list[dict[str, Any]]:
    """The verdicts that hold for the windows that end at a moment."""
    return _sort(store.fetch("verdicts/at", model=spec.name, window_end=day, kind=None, run_id=None))


def judge_again(store: Store, spec: ModelSpec, day: datetime) -> list[dict[str, Any]]:
    """The same windows, judged from the roll-ups by the code of now."""
    kinds = get_args(CheckKind)
    return _sort([result.to_json() for kind in kinds for result in judge_unrecorded(store, spec, kind, day)])


def read_lineage(store: Store, spec: ModelSpec) -> dict[str, Any]:
    """Of each incident, each version, and the newest prediction of each revision."""
    incidents = execute(store, "SELECT 'incident ' || incident_id FROM incident ORDER BY incident_id")
    versions = execute(store, "SELECT model || ':v' || version FROM reference_profile ORDER BY version")
    rows = execute(
        store,
        "SELECT DISTINCT ON (revision) id FROM prediction_log WHERE revision IS NOT NULL"
        " ORDER BY revision, created_at DESC, id",
    )
    subjects = [subject for (subject,) in incidents + versions + rows]
    return {subject: explain(store, [spec.name], subject).to_json() for subject in subjects}


def to_plain(value: Any) -> Any:
    """What JSON makes of it."""
    return json.loads(json.dumps(value, default=_encode))


def find_changes(recorded: Any, now: Any, place: str = "") -> list[str]:
    """What is no longer as recorded, each with its place. Fields that a later release adds are no change."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        names = [(f"{place}.{name}", recorded[name], now.get(name, "(gone)")) for name in recorded]
    elif isinstance(recorded, list) and isinstance(now, list) and len(recorded) == len(now):
        names = [(f"{place}[{number}]", *pair) for number, pair in enumerate(zip(recorded, now, strict=True))]
    else:
        return [] if _is_same(recorded, now) else [f"{place}: {str(recorded)[:200]} became {str(now)[:200]}"]
    return [change for name, old, new in names for change in find_changes(old, new, name)]


def _is_same(recorded: Any, now: Any) -> bool:
    numbers = [item for item in (recorded, now) if isinstance(item, int | float) and not isinstance(item, bool)]
    if len(numbers) == 2:
        return abs(numbers[0] - numbers[1]) <= TOLERANCE * max(1.0, abs(numbers[0]))
    return isinstance(recorded, bool) == isinstance(now, bool) and bool(recorded == now)


def _sort(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(results, key=lambda result: (result["kind"], result["check_name"], result["subject"]))


def _encode(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{value!r} has no JSON")
