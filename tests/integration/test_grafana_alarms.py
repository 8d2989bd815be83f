"""What alarms say where nothing is there: no logged row, no label, no monitor, no model that serves."""

from datetime import UTC, datetime, timedelta

import pytest

from cyclone.checks.rollups import roll_up
from cyclone.store import Store
from grafana.trial.filling import CHURN
from tests.statements import execute, put_champion

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)


def read_alarm(store: Store, name: str) -> dict[str, int]:
    """The value of an alarm, by model."""
    return dict(execute(store, f"SELECT model, value FROM alarm_{name}"))


def put_rows(store: Store, days: int) -> None:
    """Rolled up hours before the end, each with ten rows."""
    execute(
        store,
        "INSERT INTO row_rollup (model, version, bucket_start, count) SELECT 'churn', 1,"
        " %(until)s - number * interval '1 hour', 10 FROM generate_series(1, 24 * %(days)s) AS number",
        until=UNTIL,
        days=days,
    )


def put_ledger(store: Store, since: datetime, hours: int, stored: int, dropped: int) -> None:
    """Hours of one instance that runs."""
    execute(
        store,
        "INSERT INTO instance_ledger (instance_id, model, version, revision, started_at, last_seen_at,"
        " handed_over, dropped, repeated) VALUES ('churn-1', 'churn', 1, 'churn-v1', %(since)s, %(since)s, 1, 0, 0) ON CONFLICT DO NOTHING",
        since=since,
    )
    execute(
        store,
        "INSERT INTO log_window (instance_id, window_start, stored, repeated, set_aside, dropped, pending)"
        " SELECT 'churn-1', %(since)s + number * interval '1 hour', %(stored)s, 0, 0, %(dropped)s, 0"
        " FROM generate_series(0, %(hours)s - 1) AS number",
        since=since,
        hours=hours,
        stored=stored,
        dropped=dropped,
    )


@pytest.fixture
def monitored(store: Store) -> Store:
    """A store in which version 1 of a model serves and is monitored."""
    put_champion(store, UNTIL - timedelta(days=60), "churn")
    roll_up(store, CHURN)
    return store


def test_a_log_that_loses_every_row_is_told(monitored: Store) -> None:
    put_rows(monitored, days=2)
    put_ledger(monitored, UNTIL - timedelta(days=2), hours=48, stored=10, dropped=0)
    assert read_alarm(monitored, "log") == {"churn": 0}
    put_ledger(monitored, UNTIL, hours=3, stored=0, dropped=10)
    assert read_alarm(monitored, "log") == {"churn": 1}
    assert execute(monitored, "SELECT expected, kept, lost FROM log_day") == [(240, 210, 30)]


def test_a_model_whose_every_row_was_lost_since_ever_is_told(monitored: Store) -> None:
    put_ledger(monitored, UNTIL, hours=3, stored=0, dropped=10)
    assert read_alarm(monitored, "log") == {"churn": 1}
