"""A backfill without Airflow: past days are judged, each of them once."""

from collections.abc import Iterator
from datetime import datetime
from typing import get_args

from cyclone.checks.evaluation import evaluate_checks
from cyclone.checks.rollups import roll_up
from cyclone.checks.verdicts import CheckResult
from cyclone.errors import ConfigurationError
from cyclone.sections import CheckKind
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import DAY, floor_day


def judge_days(
    store: Store, spec: ModelSpec, since: datetime, until: datetime, now: datetime
) -> Iterator[tuple[datetime, list[CheckResult]]]:
    """Record the verdicts at every day's end after `since` and up to `until`. Yields each end with its verdicts.

    A monitor every five minutes judges the same windows 288 times a day. Nothing is started or held. A day that was
    judged so before keeps its verdicts.
    Errors: `ConfigurationError` when no day of UTC ends between the two moments, or a day has not ended at `now`.
    `CheckError` for a broken check, after the day's others of its kind.
    """
    end, last = floor_day(since) + DAY, floor_day(until)
    if end > last or last > now:
        raise ConfigurationError(
            f"--from {since:%Y-%m-%d %H:%M} --to {until:%Y-%m-%d %H:%M}: whole days of UTC are judged that have ended"
            f" by {now:%Y-%m-%d %H:%M}. Give --from a day, and --to a later one that is not in the future"
        )
    roll_up(store, spec)
    with store.connected() as kept:
        while end <= last:
            results: list[CheckResult] = []
            for kind in get_args(CheckKind):
                results += evaluate_checks(kept, spec, kind, end, f"days__{end:%Y-%m-%d}")
            yield end, results
            end += DAY
