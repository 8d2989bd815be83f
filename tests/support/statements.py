"""SQL that tests ask the store beside its named statements."""

from datetime import datetime
from typing import Any

from cyclone.store import Store


def execute(store: Store, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Run one statement in a transaction of its own, and return its rows. There are none where it returns none."""
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def put_champion(store: Store, at: datetime, model: str = "bike_demand") -> None:
    """Version 1 of a model: accepted with an error of 10, and serving since then."""
    execute(
        store,
        "INSERT INTO reference_profile (model, version, mlflow_run_id, metric, accepted_error, sample_size, created_at)"
        " VALUES (%(model)s, 1, 'run', 'mean_absolute_error', 10, 100, %(at)s);"
        "INSERT INTO release (model, version, revision, image, image_digest, run_id, state, traffic_percent,"
        " created_at, promoted_at) VALUES (%(model)s, 1, 'v1', 'image', 'digest', 'first', 'champion', 100,"
        " %(at)s, %(at)s);"
        "INSERT INTO release_record (model, release_id, generation) SELECT model, release_id, 1 FROM release",
        at=at,
        model=model,
    )


def put_hourly_errors(store: Store, since: datetime, until: datetime, error: float) -> None:
    """Ten rows of version 1 whose labels were due in each hour, `until` included, each wrong by `error`."""
    execute(
        store,
        "INSERT INTO error_rollup (model, version, bucket_start, count, sum_absolute_error, sum_squared_error,"
        " sum_label, sum_prediction, known_day)"
        " SELECT 'bike_demand', 1, hour - interval '24 hours', 10, 10 * %(error)s, 10 * %(error)s ^ 2, 0, 0,"
        " '2011-01-01'"
        " FROM generate_series(%(since)s, %(until)s, interval '1 hour') AS hour",
        since=since,
        until=until,
        error=error,
    )


def put_newest_row(store: Store, at: datetime) -> None:
    """An answered row of bike_demand: the present of a replay."""
    execute(
        store,
        "SELECT ensure_partition('prediction_log', %(at)s);"
        "INSERT INTO prediction_log (model, id, version, revision, instance_id, sequence, input, prediction,"
        " latency_ms, created_at) VALUES ('bike_demand', 'newest', 1, 'v1', 'i', 1, '{}', '1', 1, %(at)s)",
        at=at,
    )
