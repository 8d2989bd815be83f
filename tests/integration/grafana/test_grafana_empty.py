"""Every question of Grafana is answered where there is nothing to show."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest

from cyclone.checks.rollups import roll_up
from cyclone.grafana.access import connect_grafana
from cyclone.store import Store
from grafana.trial.asking import find_all_faults, last
from grafana.trial.expansion import Variable
from grafana.trial.filling import DEMAND
from grafana.trial.questions import list_questions

SPAN = last(30, datetime(2026, 3, 1, tzinfo=UTC))
PASSWORD = "a long enough password"
EMPTY_ADDRESS = {name: Variable([""], is_multi=True) for name in ("version", "feature", "slice")}
"""What an address such as `…&var-version=` makes of the variables."""


@pytest.fixture
def as_grafana(store: Store, tmp_path: Path) -> Iterator["psycopg2.extensions.connection"]:
    """A connection to an empty store as the role that Grafana has."""
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    connect_grafana(store, secret, {})
    raw = psycopg2.connect(store.dsn, user="cyclone_grafana", password=PASSWORD)
    yield raw
    raw.close()


@pytest.mark.parametrize("chosen", [{}, EMPTY_ADDRESS], ids=["no value", "an empty value"])
def test_every_question_is_answered_on_an_empty_store(
    as_grafana: "psycopg2.extensions.connection", chosen: dict[str, Variable]
) -> None:
    assert find_all_faults(as_grafana, list_questions(), chosen, SPAN) == []


def test_every_question_is_answered_for_a_model_that_was_never_profiled_or_released(
    store: Store, as_grafana: "psycopg2.extensions.connection"
) -> None:
    roll_up(store, DEMAND)
    assert find_all_faults(as_grafana, list_questions(), {}, SPAN) == []
