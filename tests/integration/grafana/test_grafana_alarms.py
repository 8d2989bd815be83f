"""What alarms say where nothing is there: no logged row, no label, no monitor, no model that serves."""

from datetime import UTC, datetime, timedelta

import pytest

from cyclone.checks.rollups import roll_up
from cyclone.store import Store
from grafana.trial.filling import CHURN
from tests.support.statements import execute, put_champion

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)


def read_alarm(store: Store, name: str) -> dict[str, int]:
    """The value of an alarm, by model."""
    return dict(execute(store, f"SELECT model, value FROM alarm_{name}"))


def put_rows(store: Store, days: int) -> None:
    """Rolled up hours before the end, each with ten rows."""
    execute(
        store,
        "INSERT INTO row_rollup (model, version, bucket_start, count) SELECT 'churn', 1,"
        " %(until)s - number * interval '1 hour', 10 FROM generate_series(1, 24 * %(days)s) AS number"
        " ON CONFLICT DO NOTHING",
        until=UNTIL,
        days=days,
    )


def put_ledger(store: Store, since: datetime, hours: int, stored: int, dropped: int) -> None:
    """Hours of one instance that runs."""
    execute(
        store,
        "INSERT INTO instance_ledger (instance_id, model, version, revision, started_at, last_seen_at,"
        " handed_over, dropped, repeated) VALUES ('churn-1', 'churn', 1, 'churn-v1', %(since)s, %(since)s, 1, 0, 0)"
        " ON CONFLICT DO NOTHING",
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


def test_a_version_that_serves_and_was_never_monitored_is_told(store: Store) -> None:
    put_champion(store, UNTIL, "churn")
    assert read_alarm(store, "monitor") == {"churn": 1}
    status = "SELECT model, attention, verdict, sentence FROM model_status"
    assert execute(store, status) == [("churn", 3, "no_data", "its monitor has never run")]
    assert execute(store, "SELECT model, present FROM model_present") == [("churn", None)]
    roll_up(store, CHURN)
    assert read_alarm(store, "monitor") == {"churn": 0}


def test_a_model_that_never_got_a_label_is_told_when_one_was_due(monitored: Store) -> None:
    allowed = CHURN.retrain.breaker.silent_days + 1  # the delay of its labels is a day
    put_rows(monitored, days=3)
    assert read_alarm(monitored, "labels") == {"churn": 0}
    put_rows(monitored, days=5)
    assert read_alarm(monitored, "labels") == {"churn": 1}
    assert execute(monitored, "SELECT days_without, days_allowed FROM label_delay") == [(5, allowed)]


def test_a_retired_model_asks_nobody_for_anything(monitored: Store) -> None:
    execute(
        monitored,
        "INSERT INTO hold (model, cause, opened_at, reason, run_id)"
        " VALUES ('churn', 'upstream', %(at)s, 'no label has come', 'scheduled__1')",
        at=UNTIL,
    )
    attention = "SELECT attention, sentence FROM model_status"
    assert read_alarm(monitored, "hold") == {"churn": 1}
    assert execute(monitored, attention) == [(3, "hold: no label has come")]
    execute(
        monitored,
        "INSERT INTO retirement (model, at, version, asked_by, because, ended_runs)"
        " VALUES ('churn', %(at)s, 1, 'ann', 'nobody asks', '{}')",
        at=UNTIL,
    )
    assert read_alarm(monitored, "hold") == {"churn": 1}, "it was retired once, and serves again"
    execute(monitored, "DELETE FROM release_record")
    assert read_alarm(monitored, "hold") == {"churn": 0}
    assert execute(monitored, attention) == [(0, "it is retired. hold: no label has come")]


def test_no_value_of_a_refused_row_reaches_grafana(store: Store) -> None:
    refused = '22P02: invalid input syntax for type integer: "Ann\'s income"'
    for sequence, reason in enumerate((refused, "22P05: unsupported Unicode escape sequence", "Ann's income")):
        execute(
            store,
            "INSERT INTO set_aside_row (instance_id, sequence, model, version, revision, row_text, reason)"
            " VALUES ('i', %(sequence)s, 'churn', 1, 'churn-v1', '{}', %(reason)s)",
            sequence=sequence,
            reason=reason,
        )
    found = execute(store, "SELECT reason, rows FROM set_aside_reason ORDER BY reason")
    assert found == [("22P02", 1), ("22P05", 1), ("unknown", 1)]
