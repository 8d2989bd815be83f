import pytest
from psycopg2.errors import DivisionByZero

from cyclone.errors import StoreError
from cyclone.store import Store


def test_migrating_twice_applies_nothing_the_second_time(store: Store) -> None:
    assert store.migrate() == []


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    store = Store("postgresql://someone:secret@127.0.0.1:9/cyclone")
    with pytest.raises(StoreError, match=r"host=127\.0\.0\.1 port=9 does not answer") as raised:
        store.fetch("log/newest_event", model="bike_demand")
    assert "secret" not in str(raised.value)


def test_a_store_without_its_schema_says_which_command_to_run(postgres_uri: str) -> None:
    with pytest.raises(StoreError, match="run `cyclone migrate`"):
        Store(postgres_uri).fetch("log/newest_event", model="bike_demand")


def test_an_unknown_statement_is_named(store: Store) -> None:
    with pytest.raises(StoreError, match="log/no_such_statement"):
        store.fetch("log/no_such_statement")


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    with pytest.raises(DivisionByZero):
        _insert_and_fail(store)
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM prediction_id")
        assert cursor.fetchone() == (0,)


def test_a_store_that_stays_connected_has_one_connection_and_works_on_after_an_error(store: Store) -> None:
    with store.connected() as connected:
        before = _ask_for_backend(connected)
        with pytest.raises(DivisionByZero):
            _insert_and_fail(connected)
        assert connected.fetch_one("log/newest_event", model="bike_demand") == {"newest": None}
        assert _ask_for_backend(connected) == before
        assert _ask_for_backend(store) != before


def _insert_and_fail(store: Store) -> None:
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("INSERT INTO prediction_id VALUES ('m', 'a', now())")
        cursor.execute("SELECT 1 / 0")


def _ask_for_backend(store: Store) -> int:
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid(), (SELECT count(*) FROM prediction_id)")
        backend, rows = cursor.fetchone() or (0, 0)
        assert rows == 0
        return int(backend)
