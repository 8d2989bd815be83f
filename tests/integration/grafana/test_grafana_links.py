"""Rows of boards lead to the run and name the command that tells more."""

from datetime import UTC, datetime

from cyclone.store import Store
from tests.support.statements import execute, put_champion

AT = datetime(2026, 3, 1, tzinfo=UTC)
RUN = "https://airflow.example/dags/retrain__churn/runs/first"


def test_rows_of_a_release_a_decision_a_hold_and_a_calibration_lead_on(store: Store) -> None:
    put_champion(store, AT, "churn")
    execute(store, "INSERT INTO page_address (name, address) VALUES ('airflow', 'https://airflow.example')")
    execute(
        store,
        "INSERT INTO release_step (release_id, step_number, traffic_percent, verdict, started_at, detail)"
        " SELECT release_id, 1, 5, 'passed', created_at, '{}' FROM release;"
        "INSERT INTO decision (model, run_id, at, version, action, reason, asked_by) VALUES"
        " ('churn', 'scheduled__1', %(at)s, 1, 'retrain', 'error has risen', NULL),"
        " ('churn', 'cyclone retrain by ann', %(at)s, 1, 'hold', 'no budget', 'ann');"
        "INSERT INTO hold (model, cause, opened_at, reason, run_id)"
        " VALUES ('churn', 'budget', %(at)s, 'no budget', 'scheduled__1');"
        "INSERT INTO calibration (model, version, run_id, method, parameters, fitted_at, row_count, error_without,"
        " error_with, reason, revision, replaced, served_at)"
        " VALUES ('churn', 1, 'r', 'ratio', '{1.1}', %(at)s, 9, 2, 1, 'it helps', 'v1-c', 'v1', %(at)s)",
        at=AT,
    )
    assert execute(store, "SELECT airflow_url FROM canary_step") == [(RUN,)]
    assert execute(store, "SELECT asked_by, airflow_url FROM decision_history ORDER BY asked_by") == [
        ("ann", "#"),
        ("the monitor", "https://airflow.example/dags/monitor__churn/runs/scheduled__1"),
    ]
    for view in ("hold_history", "calibration_history"):
        assert execute(store, f"SELECT explain FROM {view}") == [("cyclone explain churn:v1",)]
    events = execute(store, "SELECT kind FROM model_event WHERE words LIKE %(run)s", run=f"%{RUN}%")
    assert sorted(kind for (kind,) in events) == ["canary", "candidate", "promotion"]
