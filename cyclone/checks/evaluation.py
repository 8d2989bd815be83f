"""Evaluation of checks: measure what serves over a window, judge the measurements and record the verdicts."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cyclone.checks.champion import Champion, list_answering
from cyclone.checks.chance import Null, alpha_of_window
from cyclone.checks.measurements import CHECKS_DIR, load_check, measure
from cyclone.checks.verdicts import CheckResult, Item, Measurement, Standards, judge
from cyclone.errors import CheckError, ConfigurationError
from cyclone.sections import CheckKind, CheckRules
from cyclone.spec import ModelSpec
from cyclone.store import Store, Transaction
from cyclone.times import floor_day, floor_hour

# In parentheses, because no feature's name may be mistaken for them.
BROKEN = "(broken check)"
"""The subject of the verdict on a check whose SQL failed."""
NOTHING = "(no subject)"
"""The subject of the verdict on a check that returned no row."""


def evaluate_checks(
    store: Store,
    spec: ModelSpec,
    kind: CheckKind,
    window_end: datetime,
    run_id: str,
    checks_dir: Path = CHECKS_DIR,
) -> list[CheckResult]:
    """Run every check of one kind that `model.yaml` names, for each version that serves at `window_end`.

    These are the champion and every other version that has traffic. Return the verdicts, the champion's first.
    The list is empty while nothing serves. `find_window_end` tells where the windows end. Verdicts are recorded
    once a run. A repeated run returns the verdicts that were recorded first. A broken check is recorded as `no_data`
    and does not stop the others.
    Errors: `CheckError` after all checks, naming every broken one. A check without a file is broken too.
    """
    end = find_window_end(kind, window_end)
    versions = list_answering(store, spec.name, window_end, end)
    results = [item for version in versions for item in judge_window(store, spec, kind, version, end, checks_dir)]
    with store.transaction() as transaction:
        record(transaction, spec.name, run_id, results)
        rows = transaction.fetch("verdicts/at", run_id=run_id, model=spec.name, kind=kind, window_end=end)
    if broken := [result.reason for result in results if result.subject == BROKEN]:
        raise CheckError("\n".join(broken))
    places = {version.version: place for place, version in enumerate(versions)}
    verdicts = [CheckResult(**row) for row in rows]
    return sorted(verdicts, key=lambda verdict: places.get(verdict.version, len(places)))


def find_window_end(kind: CheckKind, moment: datetime) -> datetime:
    """The end of the windows that are judged at a moment: the last midnight of UTC, for service the last whole hour.

    A day that is still filling up is not judged. It would have other rows in a live run than in a later backfill.
    Whole days also mean one new window a day, however often the checks run.
    """
    return floor_hour(moment) if kind == "service" else floor_day(moment)


def judge_window(
    store: Store, spec: ModelSpec, kind: CheckKind, champion: Champion, window_end: datetime, checks_dir: Path
) -> list[CheckResult]:
    """The verdicts of one kind of checks on one version, for the windows that end at `window_end`. None is recorded."""
    items: list[Item] = []
    completeness: dict[int, float | None] = {}
    days: dict[int, float | None] = {}
    for name, check in spec.monitor.checks(kind).items():
        # Service checks count requests. A log that misses rows does not change them.
        if kind != "service" and check.window_days not in completeness:
            completeness[check.window_days] = _read_completeness(store, spec, kind, champion, window_end, check)
            days[check.window_days] = _read_days(store, spec, kind, champion, window_end, check)
        measurements, fault = _measure(store, spec, kind, name, check, champion, window_end, checks_dir)
        known = (completeness.get(check.window_days), fault, days.get(check.window_days))
        items += [Item(name, check, item, *known) for item in measurements]
    judgements = judge(kind, items, _read_standards(store, spec, kind, champion))
    return [
        CheckResult(
            kind=kind,
            check_name=item.check_name,
            version=champion.version,
            window_start=window_end - timedelta(days=item.check.window_days),
            window_end=window_end,
            **asdict(item.measured),
            **asdict(judgement),
        )
        for item, judgement in zip(items, judgements, strict=True)
    ]


def record(transaction: Transaction, model: str, run_id: str, results: Sequence[CheckResult]) -> None:
    """Store verdicts. The first verdict of a run on a version, check, subject and window stays."""
    for result in results:
        fields = asdict(result)
        limit = fields.pop("limit")
        transaction.run("verdicts/record", run_id=run_id, model=model, limit_value=limit, **fields)


def _measure(
    store: Store,
    spec: ModelSpec,
    kind: CheckKind,
    name: str,
    check: CheckRules,
    champion: Champion,
    window_end: datetime,
    checks_dir: Path,
) -> tuple[list[Measurement], str]:
    """The measurements of a check, at least one, and the fault of a broken check in words. The fault may be empty."""
    try:
        measurements = measure(
            store,
            load_check(kind, name, checks_dir),
            model=spec.name,
            version=champion.version,
            window_start=window_end - timedelta(days=check.window_days),
            window_end=window_end,
            label_delay=spec.label.delay,
            label_load=spec.label.load,
        )
    except (CheckError, ConfigurationError) as error:
        return [Measurement(BROKEN, None, None, 0)], str(error)
    return measurements or [Measurement(NOTHING, None, None, 0)], ""


def _read_completeness(
    store: Store, spec: ModelSpec, kind: CheckKind, champion: Champion, window_end: datetime, check: CheckRules
) -> float | None:
    """The share, from 0 to 1, of a window's answered rows that are in the log. None where it is not known.

    An error check judges labels. Their rows were answered before the window, earlier by the labels' expected delay.
    """
    delay = spec.label.delay if kind == "error" else timedelta(0)
    load = spec.label.load if kind == "error" else timedelta(0)
    row = store.fetch_one(
        "verdicts/completeness",
        model=spec.name,
        version=champion.version,
        window_start=window_end - delay - load - timedelta(days=check.window_days),
        window_end=window_end - delay,
    )
    return row["completeness"] if row else None


def _read_days(
    store: Store, spec: ModelSpec, kind: CheckKind, champion: Champion, window_end: datetime, check: CheckRules
) -> float | None:
    """How many days of equal weight the window's rows are of, or for an error check its labels. None without any."""
    span: dict[str, Any] = {
        "model": spec.name,
        "version": champion.version,
        "window_start": window_end - timedelta(days=check.window_days),
        "window_end": window_end,
    }
    if kind == "error":
        labels = {"label_delay": spec.label.delay, "label_load": spec.label.load, "metric": spec.error_metric}
        row = store.fetch_one("verdicts/label_days", **span, **labels)
    else:
        row = store.fetch_one("verdicts/row_days", **span)
    return row["days"] if row else None


def _read_standards(store: Store, spec: ModelSpec, kind: CheckKind, champion: Champion) -> Standards:
    version = {"model": spec.name, "version": champion.version}
    nulls = store.fetch("verdicts/reference_nulls", **version) if kind == "drift" else []
    errors = store.fetch("verdicts/reference_errors", **version) if kind == "error" else []
    return Standards(
        alpha=alpha_of_window(spec.monitor.alpha),
        accepted_error=champion.accepted_error,
        errors={row["metric"]: row["value"] for row in errors},
        nulls={(row.pop("check_name"), row.pop("subject")): Null(**row) for row in nulls},
        completeness_floor=spec.monitor.completeness_floor,
    )
