"""The rows that a replay sends: those of the history file that the first version was not trained on."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from cyclone.errors import ConfigurationError, DataError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store
from cyclone.times import DAY, floor_day
from local_platform.replay.traffic import HistoryRow
from training.data.history import parse_time, read_history

LONG_CANARY = timedelta(days=21)
"""The days of a history that a canary may take before a replay warns. The demo's takes less than three. A choice."""
SUGGESTED_SHARE = 0.25
"""The share of the history that a suggested `history_until` leaves to the first version. The value is a choice."""


def read_rows(settings: Settings, spec: ModelSpec) -> list[HistoryRow]:
    """The rows of the history file that can be replayed, the oldest first: those from `history_until` on.

    Errors: `ConfigurationError` when there are none, or `history_until` is not set. Errors of `read_history`.
    """
    rows = number_rows(read_history(spec, settings.models_dir / spec.name))
    return cut_rows(spec, rows, find_first_day(spec, rows))


def cut_rows(
    spec: ModelSpec, rows: Sequence[HistoryRow], since: datetime | None, until: datetime | None = None
) -> list[HistoryRow]:
    """The rows from `since` to before `until`.

    Errors: `ConfigurationError` when none is left, or `since` lies before `history_until`.
    """
    if since is not None and spec.history_until and since < parse_time(spec.history_until):
        raise ConfigurationError(
            f"--from {since:%Y-%m-%d}: the first version of {spec.name} is trained on the rows before history_until"
            f" {spec.history_until}. Begin on that day or later"
        )
    found = [
        row for row in rows if (since is None or since <= row.created_at) and (until is None or row.created_at < until)
    ]
    if not found:
        begin = f" from {since:%Y-%m-%d} on" if since else ""
        end = f" before {until:%Y-%m-%d}" if until else ""
        raise ConfigurationError(
            f"{spec.name}: the history has no row{begin}{end}, so there is nothing to replay. Its rows are of"
            f" {rows[0].created_at:%Y-%m-%d} to {rows[-1].created_at:%Y-%m-%d}"
        )
    return found


def number_rows(rows: Iterable[Row]) -> list[HistoryRow]:
    """The rows in the order of their times. Rows of one second get numbers, by which their ids differ."""
    seen: Counter[datetime] = Counter()
    numbered = []
    for row in sorted(rows, key=lambda each: each["created_at"]):
        second = row["created_at"].replace(microsecond=0)
        seen[second] += 1
        numbered.append(HistoryRow(**row, number=seen[second]))
    return numbered


def find_first_day(spec: ModelSpec, rows: Sequence[HistoryRow]) -> datetime:
    """The moment from which rows can be replayed.

    Errors: `ConfigurationError` when the model has no `history_until`, with a day that would do.
    """
    if not rows:
        raise DataError(f"{spec.name}: the history file has no row, so there is nothing to replay")
    if spec.history_until:
        return parse_time(spec.history_until)
    day = floor_day(rows[round(SUGGESTED_SHARE * (len(rows) - 1))].created_at) + DAY
    raise ConfigurationError(
        f"{spec.name}: history_until is not set, so the first version is trained on all of the history and nothing is"
        f" left to replay. Set it in model.yaml to the day on which the replay shall begin, such as"
        f' history_until: "{day:%Y-%m-%d}"'
    )


def describe_slow_canary(spec: ModelSpec, rows: Sequence[HistoryRow]) -> str | None:
    """A warning where a canary would take more than `LONG_CANARY` of this history. None where it would not.

    A canary waits for `requests_per_step` requests that its version answers. At a share of 5 % these are 20 times as
    many requests in all.
    """
    shares = spec.release.steps[:-1]
    needed = sum(100 * spec.release.requests_per_step / share for share in shares)
    span = max(rows[-1].created_at - rows[0].created_at, DAY)
    days = needed / len(rows) * (span / DAY)
    if timedelta(days=days) <= LONG_CANARY:
        return None
    return (
        f"A new version's canary needs about {needed:,.0f} requests, which are {days:,.0f} days of this history. Fewer"
        " release.requests_per_step or larger release.steps in model.yaml make it shorter"
    )


def find_position(store: Store, model: str) -> datetime | None:
    """The time of the newest row that an earlier replay of the model brought into the log. None before the first."""
    row = store.fetch_one("log/newest_replayed", model=model)
    newest: datetime | None = row["newest"] if row else None
    return newest


def list_unlabelled(rows: Iterable[HistoryRow], position: datetime, delay: timedelta) -> list[HistoryRow]:
    """The rows before a position whose labels an interrupted replay may not have posted yet."""
    return [row for row in rows if position - delay <= row.created_at < position]
