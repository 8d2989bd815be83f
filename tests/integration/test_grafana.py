"""Grafana's way in: its role, and every question of boards and rules on a store after a year of service."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest

from cyclone.grafana.access import connect_grafana
from cyclone.store import Store
from grafana.trial.asking import Answer, ask, find_faults, last, read_choices
from grafana.trial.expansion import Variable
from grafana.trial.filling import World, fill_store
from grafana.trial.questions import Question, list_questions

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


@pytest.mark.parametrize(
    ("form", "answer", "told"),
    [
        ("time_series", Answer(["at", "n"], ["time", "number"], []), "the first column has to be time"),
        ("time_series", Answer(["time", "n"], ["time", "number"], [(2, 1), (1, 1)]), "not ascending"),
        ("time_series", Answer(["time", "n"], ["number", "number"], [(5, 1)]), "numbers that are no seconds"),
        ("time_series", Answer(["time", "metric"], ["time", "text"], []), "no column is a number"),
        ("time_series", Answer(["time", "n", "b"], ["time", "number", "type 16"], []), "only text and numbers"),
        ("rule", Answer(["model", "a", "b"], ["text", "number", "number"], []), "one column has to be a number"),
        ("rule", Answer(["model", "n", "at"], ["text", "number", "time"], []), "may only have text and one number"),
        ("rule", Answer(["model", "n"], ["text", "number"], [("m", 0), ("m", 1)]), "the same labels"),
        ("annotation", Answer(["time", "text"], ["time", "text"], []), "an annotation needs"),
        ("variable", Answer(["version"], ["number"], []), "one column of text"),
        ("table", Answer(["a", "a"], ["text", "text"], []), "two columns are called a"),
    ],
)
def test_an_answer_that_grafana_could_not_show_is_found(form: str, answer: Answer, told: str) -> None:
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
