"""Checks: measure the champion over a window, compare with the limits of `model.yaml`, record the verdicts."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

from cyclone.checks.champion import Champion, find_champion
from cyclone.checks.chance import Null, alpha_of_window
from cyclone.checks.measurements import CHECKS_DIR, load_check, measure
from cyclone.checks.verdicts import CheckResult, Item, Measurement, Standards, judge
from cyclone.errors import CheckError, ConfigurationError
from cyclone.sections import CheckKind, CheckRules
from cyclone.spec import ModelSpec
from cyclone.store import Store, Transaction
from cyclone.times import floor_day, floor_hour

BROKEN = "(broken check)"
NOTHING = "(no subject)"


def evaluate_checks(
    store: Store,
    spec: ModelSpec,
    kind: CheckKind,
    window_end: datetime,
    run_id: str,
    checks_dir: Path = CHECKS_DIR,
) -> list[CheckResult]:
    """Run every check of one kind that `model.yaml` names, for the champion at `window_end`; none: no results.

    Windows end as `find_window_end` says. Verdicts are recorded once a run: repeating it returns what was recorded
    first. A broken check is recorded as `no_data` and stops no other.
    Errors: `CheckError` at the end naming every broken check, one without a file among them.
    """
    champion = find_champion(store, spec.name, window_end)
    if champion is None:
        return []
    end = find_window_end(kind, window_end)
    results = judge_window(store, spec, kind, champion, end, checks_dir)
    with store.transaction() as transaction:
        record(transaction, spec.name, run_id, results)
        rows = transaction.fetch("verdicts/at", run_id=run_id, model=spec.name, kind=kind, window_end=end)
    if broken := [result.reason for result in results if result.subject == BROKEN]:
        raise CheckError("; ".join(broken))
    return [CheckResult(**row) for row in rows]


def find_window_end(kind: CheckKind, moment: datetime) -> datetime:
    """Where the windows end that are judged at a moment: with a whole day of UTC, those of service with an hour.

    A day or hour still filling up would be judged live on other rows than in a backfill. And a window of whole days is
    judged by what a day holds, once a day however often it is looked at.
    """
    return floor_hour(moment) if kind == "service" else floor_day(moment)


def judge_window(
    store: Store, spec: ModelSpec, kind: CheckKind, champion: Champion, window_end: datetime, checks_dir: Path
) -> list[CheckResult]:
    """The verdicts of one kind of checks on a version, for the windows that end at a moment."""
    items: list[Item] = []
    completeness: dict[int, float | None] = {}
    for name, check in spec.monitor.checks(kind).items():
        if kind != "service" and check.window_days not in completeness:
            completeness[check.window_days] = _read_completeness(store, spec, kind, champion, window_end, check)
        measurements, fault = _measure(store, spec.name, kind, name, check, champion, window_end, checks_dir)
        items += [Item(name, check, item, completeness.get(check.window_days), fault) for item in measurements]
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
    """Store verdicts, each once a run and window; the first one stays."""
    for result in results:
        fields = asdict(result)
        limit = fields.pop("limit")
        transaction.run("verdicts/record", run_id=run_id, model=model, limit_value=limit, **fields)


def _measure(
    store: Store,
    model: str,
    kind: CheckKind,
    name: str,
    check: CheckRules,
    champion: Champion,
    window_end: datetime,
    checks_dir: Path,
) -> tuple[list[Measurement], str]:
    """What a check says, one measurement at least, and what is wrong with it if it is broken."""
    try:
        measurements = measure(
            store,
            load_check(kind, name, checks_dir),
            model=model,
            version=champion.version,
            window_start=window_end - timedelta(days=check.window_days),
            window_end=window_end,
        )
    except (CheckError, ConfigurationError) as error:
        return [Measurement(BROKEN, None, None, 0)], str(error)
    return measurements or [Measurement(NOTHING, None, None, 0)], ""


def _read_completeness(
    store: Store, spec: ModelSpec, kind: CheckKind, champion: Champion, window_end: datetime, check: CheckRules
) -> float | None:
    """Of the rows that a window judges: those of an error check were predicted earlier, by the labels' delay."""
    delay = timedelta(hours=spec.label.expected_delay_hours if kind == "error" else 0)
    row = store.fetch_one(
        "verdicts/completeness",
        model=spec.name,
        version=champion.version,
        window_start=window_end - delay - timedelta(days=check.window_days),
        window_end=window_end - delay,
    )
    return row["completeness"] if row else None


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
