"""Grafana's way in: its role, and every question of boards and rules on a store after a year of service."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from cyclone.checks.rollups import roll_up
from cyclone.errors import StoreError
from cyclone.grafana.access import connect_grafana
from cyclone.policy.evidence import collect_evidence
from cyclone.policy.rules import find_typical_error
from cyclone.sections import Monitor
from cyclone.store import Store
from grafana.trial.asking import Reply, ask, find_all_faults, find_faults, last, read_choices
from grafana.trial.expansion import Variable
from grafana.trial.filling import DEMAND, World, fill_store
from grafana.trial.questions import Question, list_questions
from tests.support.statements import execute

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
PASSWORD = "a long enough password"
QUESTIONS = list_questions()
NOTHING_HAPPENED = {("Promotions", 1), ("Promotions", 7), ("Roll-backs", 1)}
"""Layers of annotations that have nothing in so many days before the end, because nothing of the kind happened."""


@pytest.fixture(scope="module")
def filled(module_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that `fill_store` has filled, with Grafana's role."""
    fill_store(module_store, World(rows=24_000, days=400, until=UNTIL))
    secret = tmp_path_factory.mktemp("secret") / "password"
    secret.write_text(f"{PASSWORD}\n")
    connect_grafana(module_store, secret, {})
    return module_store


@pytest.fixture(scope="module")
def as_grafana(filled: Store) -> Iterator["psycopg2.extensions.connection"]:
    """A connection as the role that Grafana has."""
    raw = psycopg2.connect(filled.dsn, user="cyclone_grafana", password=PASSWORD)
    yield raw
    raw.close()


def choose(raw: "psycopg2.extensions.connection", question: Question, days: int) -> dict[str, Variable]:
    """The variables of the question's board, for the model that has a story."""
    of_board = [item for item in QUESTIONS if item.board == question.board and item.form == "variable"]
    found = {"model": Variable(["demand"])}
    for item in of_board[1:]:
        found |= read_choices(raw, [item], last(days, UNTIL), found)
    return found


@pytest.mark.parametrize("days", [1, 7, 365])
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.place)
def test_a_question_is_answered_in_the_form_that_grafana_shows(
    as_grafana: "psycopg2.extensions.connection", question: Question, days: int
) -> None:
    answer = ask(as_grafana, question, choose(as_grafana, question, days), last(days, UNTIL))
    assert find_faults(question.form, answer) == []
    is_told = (question.place.rpartition("annotation ")[2], days) not in NOTHING_HAPPENED
    assert bool(answer.rows) is is_told, "there are data, and the panel is empty"


def test_every_question_is_answered_for_a_model_without_gate(as_grafana: "psycopg2.extensions.connection") -> None:
    assert find_all_faults(as_grafana, QUESTIONS, {"model": Variable(["churn"])}, last(365, UNTIL)) == []


@pytest.mark.parametrize(
    ("form", "answer", "told"),
    [
        ("time_series", Reply(["at", "n"], ["time", "number"], []), "the first column has to be time"),
        ("time_series", Reply(["time", "n"], ["time", "number"], [(2, 1), (1, 1)]), "not ascending"),
        ("time_series", Reply(["time", "n"], ["number", "number"], [(5, 1)]), "numbers that are no seconds"),
        ("time_series", Reply(["time", "metric"], ["time", "text"], []), "no column is a number"),
        ("time_series", Reply(["time", "n", "b"], ["time", "number", "type 16"], []), "only text and numbers"),
        ("rule", Reply(["model", "a", "b"], ["text", "number", "number"], []), "one column has to be a number"),
        ("rule", Reply(["model", "n", "at"], ["text", "number", "time"], []), "may only have text and one number"),
        ("rule", Reply(["model", "n"], ["text", "number"], [("m", 0), ("m", 1)]), "the same labels"),
        ("annotation", Reply(["time", "text"], ["time", "text"], []), "an annotation needs"),
        ("variable", Reply(["version"], ["number"], []), "one column of text"),
        ("table", Reply(["a", "a"], ["text", "text"], []), "two columns are called a"),
    ],
)
def test_an_answer_that_grafana_could_not_show_is_found(form: str, answer: Reply, told: str) -> None:
    assert told in " ".join(find_faults(form, answer))  # type: ignore[arg-type]


def test_the_role_reads_the_views_and_nothing_else(as_grafana: "psycopg2.extensions.connection") -> None:
    refused = (
        "SELECT * FROM prediction_log",
        "SELECT * FROM labelled_prediction",
        "SELECT * FROM set_aside_row",
        "SELECT * FROM check_result",
        "DELETE FROM hold",
        "CREATE TABLE mine (a integer)",
    )
    for statement in refused:
        with pytest.raises(psycopg2.errors.Error) as error, as_grafana, as_grafana.cursor() as cursor:
            cursor.execute(statement)
        assert error.value.pgcode in ("42501", "25006"), "insufficient privilege, or a transaction that only reads"
    with as_grafana, as_grafana.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), as_grafana, as_grafana.cursor() as cursor:
        cursor.execute("DELETE FROM hold")


def test_connecting_twice_and_migrating_again_keeps_the_role(filled: Store, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("another long password")
    connect_grafana(filled, secret, {"airflow": "https://airflow.example/"})
    filled.migrate()
    raw = psycopg2.connect(filled.dsn, user="cyclone_grafana", password="another long password")
    with raw, raw.cursor() as cursor:
        cursor.execute("SELECT airflow FROM page_link")
        assert cursor.fetchall() == [("https://airflow.example",)]
    raw.close()


def test_the_command_makes_the_role_keeps_addresses_and_refuses_what_cannot_be(store: Store, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("short")

    def connect(*options: str) -> str:
        command = [sys.executable, "-m", "cyclone", "grafana", "connect", *options]
        surroundings = os.environ | {"CYCLONE_STORE_DSN": store.dsn}
        done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)
        return " ".join((done.stdout + done.stderr).split())

    assert "one line of 12 or more characters is needed" in connect("--password-file", str(secret))
    secret.write_text(PASSWORD)
    assert "http://… or https://… is allowed" in connect("--password-file", str(secret), "--mlflow", "mlflow:5000")
    assert "{service} has to stand in it" in connect("--cloud-run", "https://console.example/run")
    said = connect("--password-file", str(secret), "--airflow", "https://airflow.example")
    assert said.startswith("The role cyclone_grafana may read the views of ")
    assert execute(store, "SELECT airflow, mlflow FROM page_link") == [("https://airflow.example", None)]


@pytest.fixture
def without_role(store: Store) -> Iterator[Store]:
    """A store on a server that has no role of Grafana's. One that other tests use has another name meanwhile."""
    is_used = execute(store, "SELECT 1 FROM pg_roles WHERE rolname = 'cyclone_grafana'") != []
    if is_used:
        execute(store, "ALTER ROLE cyclone_grafana RENAME TO used_elsewhere")
    execute(store, "CREATE ROLE owner_only LOGIN PASSWORD 'owner'; GRANT ALL ON SCHEMA public TO owner_only")
    yield store
    for role in ("owner_only", "cyclone_grafana"):
        execute(store, f"DROP OWNED BY {role}; DROP ROLE {role}")
    if is_used:
        execute(store, "ALTER ROLE used_elsewhere RENAME TO cyclone_grafana")


def test_who_may_make_no_role_is_told_what_an_administrator_has_to_run(without_role: Store, tmp_path: Path) -> None:
    own = Store(make_dsn(without_role.dsn, user="owner_only", password="owner"))
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    with pytest.raises(StoreError, match="may not make or change the role cyclone_grafana") as error:
        connect_grafana(own, secret, {})
    with pytest.raises(StoreError, match="there is no role cyclone_grafana: name a file"):
        connect_grafana(own, None, {})
    told = str(error.value).split("password of the file:\n")[1].split("\nThen run")[0]
    execute(without_role, told.replace("…", PASSWORD))
    connect_grafana(without_role, None, {"airflow": "https://airflow.example"})
    raw = psycopg2.connect(without_role.dsn, user="cyclone_grafana", password=PASSWORD)
    with raw, raw.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM model_status")
        assert cursor.fetchall() == [(0,)]
        cursor.execute("SHOW jit")
        assert cursor.fetchall() == [("off",)]
    raw.close()


def test_a_typical_error_in_sql_is_that_of_the_policy(filled: Store) -> None:
    (found,) = execute(filled, "SELECT error, days, labelled, is_judged FROM typical_error WHERE model = 'demand'")
    evidence = collect_evidence(filled, DEMAND, [], UNTIL)
    assert evidence.champion is not None
    typical = find_typical_error(evidence.champion, UNTIL, DEMAND.retrain.error)
    assert typical is not None
    assert found == (pytest.approx(typical.error), typical.days, typical.rows, True)


def test_a_typical_error_in_sql_reaches_further_back_where_days_have_few_labels(filled: Store) -> None:
    """700 labels are twelve of the model's days, and three blocks of four days."""
    trigger = DEMAND.retrain.error.model_copy(update={"minimum_rows": 700})
    spec = DEMAND.model_copy(update={"retrain": DEMAND.retrain.model_copy(update={"error": trigger})})
    change = "UPDATE monitored_model SET error_minimum_rows = %(rows)s WHERE model = 'demand'"
    execute(filled, change, rows=700)
    try:
        (found,) = execute(filled, "SELECT error, days, labelled FROM typical_error WHERE model = 'demand'")
    finally:
        execute(filled, change, rows=DEMAND.retrain.error.minimum_rows)
    evidence = collect_evidence(filled, spec, [], UNTIL)
    assert evidence.champion is not None
    typical = find_typical_error(evidence.champion, UNTIL, trigger)
    assert typical is not None
    assert typical.days > trigger.window_days
    assert found == (pytest.approx(typical.error), typical.days, typical.rows)


def test_errors_by_day_are_those_that_the_policy_reads(filled: Store) -> None:
    evidence = collect_evidence(filled, DEMAND, [], UNTIL)
    assert evidence.champion is not None
    read = {day.start: (pytest.approx(day.error), day.rows) for day in evidence.champion.days}
    shown = execute(
        filled,
        "SELECT day, error, labelled FROM error_day WHERE model = 'demand' AND version = 2 AND day = ANY(%(days)s)",
        days=list(read),
    )
    assert {day: (error, rows) for day, error, rows in shown} == read
    assert len(read) >= DEMAND.retrain.error.window_days


def test_latency_in_steps_is_that_of_the_service_check(filled: Store) -> None:
    hour = UNTIL - timedelta(hours=1)
    for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
        shown = execute(filled, f"SELECT {name} FROM latency_series('demand', %(hour)s, %(hour)s, 3600)", hour=hour)
        judged = execute(
            filled,
            "SELECT quantile_ms FROM latency_quantile('demand', 2, %(hour)s, %(until)s, %(share)s)",
            hour=hour,
            until=UNTIL,
            share=share,
        )
        assert shown == [(pytest.approx(judged[0][0]),)]


def test_requests_of_a_day_are_told_by_revision(as_grafana: "psycopg2.extensions.connection") -> None:
    with as_grafana, as_grafana.cursor() as cursor:
        cursor.execute("SELECT * FROM revision_requests('demand', %s)", [UNTIL])
        told = cursor.fetchall()
    # 72 spans each, one of them with a failure. Of 100 answers 70 take 2 to 5 ms, 20 to 10, 6 to 20, 3 to 50.
    quantiles = pytest.approx((2 + 3 * 50 / 70, 10 + 10 * 5 / 6, 50))
    assert [row[:5] for row in told] == [
        ("demand-v2", 2, 7200, 1 / 7200, 0.02),
        ("demand-v2-c2", 2, 7200, 1 / 7200, 0.02),
    ]
    assert [row[5:] for row in told] == [quantiles, quantiles]


def test_an_alarm_is_one_for_each_model_and_goes_when_its_reason_goes(filled: Store) -> None:
    def ask_alarm(name: str) -> dict[str, int]:
        return dict(execute(filled, f"SELECT model, value FROM alarm_{name}"))

    assert ask_alarm("hold") == {"churn": 1, "demand": 1}
    assert ask_alarm("error") == {"churn": 0, "demand": 0}
    assert ask_alarm("monitor") == {"churn": 0, "demand": 0}
    assert ask_alarm("labels") == {"churn": 0, "demand": 0}
    assert ask_alarm("log") == {"churn": 1, "demand": 1}
    assert ask_alarm("service") == {"churn": 0, "demand": 1}
    changes = {
        "hold": "UPDATE hold SET closed_at = opened_at WHERE model = 'churn'",
        "error": "UPDATE monitored_model SET error_limit = 1.01 WHERE model = 'demand'",
        "monitor": "UPDATE monitored_model SET monitored_at = now() - interval '1 hour' WHERE model = 'demand'",
        "labels": "UPDATE monitored_model SET label_delay = '0', silent_days = 0.5 WHERE model = 'demand'",
        "log": "UPDATE monitored_model SET completeness_floor = 0.1 WHERE model = 'churn'",
        "service": "UPDATE newest_verdict SET verdict = 'passed' WHERE model = 'demand' AND kind = 'service'",
    }
    is_over = {"churn": 0, "demand": 1}
    wanted = {"hold": is_over, "log": is_over, "service": {"churn": 0, "demand": 0}}
    for name, change in changes.items():
        with filled.transaction() as transaction, transaction.connection.cursor() as cursor:
            cursor.execute(change)
            cursor.execute(f"SELECT model, value FROM alarm_{name}")
            assert dict(cursor.fetchall()) == wanted.get(name, {"churn": 0, "demand": 1}), name
            transaction.connection.rollback()


def test_a_roll_up_leaves_the_rules_that_alarms_compare_with(store: Store) -> None:
    changed = DEMAND.model_copy(update={"monitor": Monitor(schedule="0 * * * *")})
    for spec in (DEMAND, changed):
        roll_up(store, spec)
    (found,) = execute(
        store,
        "SELECT model, metric, label_delay, error_limit, error_window_days, completeness_floor, longest_gap,"
        " clock_timestamp() - monitored_at < interval '1 minute' FROM monitored_model",
    )
    hours = (timedelta(hours=24), timedelta(hours=1))
    assert found == ("demand", "mean_absolute_error", hours[0], 2, 7, 0.95, hours[1], True)


def test_a_model_that_nothing_serves_needs_no_monitor(filled: Store) -> None:
    with filled.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("UPDATE monitored_model SET monitored_at = now() - interval '1 hour'")
        cursor.execute("DELETE FROM release_record WHERE model = 'churn'")
        cursor.execute("SELECT model, value FROM alarm_monitor ORDER BY model")
        assert cursor.fetchall() == [("churn", 0), ("demand", 1)]
        cursor.execute("SELECT model, is_unwatched FROM model_status ORDER BY model")
        assert cursor.fetchall() == [("churn", False), ("demand", True)]
        transaction.connection.rollback()


def test_the_newest_verdict_of_a_window_is_kept_whatever_the_order(store: Store) -> None:
    row = (
        "INSERT INTO check_result (result_id, run_id, model, version, kind, check_name, subject, sample_size, verdict,"
        " window_start, window_end) VALUES (%(number)s, %(number)s, 'm', 1, 'drift', 'jensen_shannon', 'wind', 9,"
        " %(verdict)s, '2026-01-01', '2026-01-08')"
    )
    for number, verdict in ((2, "failed"), (3, "no_data"), (1, "passed")):
        execute(store, row, number=number, verdict=verdict)
    assert execute(store, "SELECT result_id, run_id, verdict FROM current_verdict") == [(3, "3", "no_data")]
    assert execute(store, "SELECT count(*) FROM check_result") == [(3,)]


@pytest.mark.parametrize("function", ["latency_series", "revision_requests"])
def test_every_bin_of_the_histogram_of_latencies_is_added(store: Store, function: str) -> None:
    (text,) = execute(store, "SELECT prosrc FROM pg_proc WHERE proname = %(name)s", name=function)[0]
    (bins,) = execute(store, "SELECT max(bin) FROM latency_bound")[0]
    added = {int(number) for number in re.findall(r"latency_counts\[(\d+)\]", text)}
    assert added == set(range(1, bins + 1))
