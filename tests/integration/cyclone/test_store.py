import pytest

from cyclone.errors import StatementError, StoreError
from cyclone.store import Store, Transaction


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
    with pytest.raises(StatementError, match="division by zero"):
        _insert_and_fail(store)
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM prediction_id")
        assert cursor.fetchone() == (0,)


def test_a_store_that_stays_connected_has_one_connection_and_works_on_after_an_error(store: Store) -> None:
    with store.connected() as connected:
        before = _ask_for_backend(connected)
        with pytest.raises(StatementError, match="division by zero"):
            _insert_and_fail(connected)
        assert connected.fetch_one("log/newest_event", model="bike_demand") == {"newest": None}
        assert _ask_for_backend(connected) == before
        assert _ask_for_backend(store) != before


def test_a_selection_names_its_columns_where_there_is_no_row(store: Store) -> None:
    with store.transaction() as transaction:
        found = transaction.select("SELECT 1 AS one, %(two)s::text AS two", two="2")
        assert (found.columns, found.rows) == (["one", "two"], [{"one": 1, "two": "2"}])
        assert transaction.select("SELECT 1 AS one WHERE false").columns == ["one"]


@pytest.mark.parametrize(
    ("sql", "cause"),
    [
        ("SELECT 'x'::integer", "value"),
        ("SELECT %(absent)s", "parameter"),
        ("SELECT nothing", "statement"),
        ("SET LOCAL statement_timeout = 10; SELECT pg_sleep(5)", "stopped"),
    ],
)
def test_a_refused_selection_says_what_was_at_fault(store: Store, sql: str, cause: str) -> None:
    with pytest.raises(StatementError) as raised, store.transaction() as transaction:
        transaction.select(sql)
    assert raised.value.cause == cause


def test_a_limit_of_postgres_is_a_named_defect_and_no_outage(store: Store) -> None:
    columns = ", ".join(f"c{number}" for number in range(32))
    values = ", ".join("0" for _ in range(32))
    too_many = f"SELECT grouping({columns}) FROM (VALUES ({values})) AS row ({columns}) GROUP BY {columns}"
    with pytest.raises(StatementError) as raised:
        _execute_after_a_named_statement(store, too_many)  # the driver calls it an OperationalError
    assert raised.value.cause == "statement"
    assert str(raised.value).startswith("Postgres refused the statement log/newest_event: GROUPING must have fewer")


def test_a_value_that_postgres_refuses_is_told_with_its_statement(store: Store) -> None:
    with pytest.raises(StatementError, match="refused the statement log/partitions_ensure") as raised:
        store.fetch("log/partitions_ensure", parent="label", moments=["no time"])
    assert raised.value.cause == "value"


def test_a_lock_that_is_not_given_in_time_is_trouble_of_the_moment(store: Store) -> None:
    waiting = "SET LOCAL lock_timeout = 50; LOCK TABLE prediction_id"
    with store.transaction() as holder:
        holder.connection.cursor().execute("LOCK TABLE prediction_id")
        with pytest.raises(StoreError, match="could not do log/newest_event at this moment"):
            _execute_after_a_named_statement(store, waiting)


def test_a_connection_that_the_server_ends_is_an_outage(store: Store) -> None:
    with pytest.raises(StoreError, match="stopped answering"), store.transaction() as transaction:
        transaction.connection.cursor().execute("SELECT pg_terminate_backend(pg_backend_pid())")


def test_a_savepoint_undoes_what_fails_in_it_and_nothing_before(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.select("INSERT INTO prediction_id VALUES ('m', 'kept', now()) RETURNING id")
        with pytest.raises(StatementError):
            _insert_and_fail_in_a_savepoint(transaction)
    with store.transaction() as transaction:
        assert transaction.select("SELECT id FROM prediction_id").rows == [{"id": "kept"}]


def test_a_reading_transaction_refuses_to_write_and_a_snapshot_sees_nothing_newer(store: Store) -> None:
    insert, count = "INSERT INTO prediction_id VALUES ('m', 'a', now()) RETURNING id", "SELECT id FROM prediction_id"
    with pytest.raises(StatementError, match="read-only"), store.transaction("read") as reading:
        reading.select(insert)
    with store.transaction("snapshot") as snapshot:
        assert snapshot.select(count).rows == []
        with store.transaction() as writing:
            writing.select(insert)
        assert snapshot.select(count).rows == []
    with store.transaction("read") as reading:
        assert reading.select(count).rows == [{"id": "a"}]


def test_fields_of_a_json_column_are_quoted(store: Store) -> None:
    sql = "SELECT ARRAY[%(fields)s] AS fields FROM (SELECT %(row)s::jsonb AS input) AS logged"
    with store.transaction() as transaction:
        fields = transaction.list_fields("input", ["it's", "a"])
        found = transaction.select(sql, fields=fields, row='{"a": 1, "it\'s": "text"}')
    assert found.rows == [{"fields": ["text", "1"]}]


def _insert_and_fail_in_a_savepoint(transaction: Transaction) -> None:
    with transaction.savepoint():
        transaction.select("INSERT INTO prediction_id VALUES ('m', 'undone', now()) RETURNING id")
        transaction.select("SELECT 1 / 0")


def _execute_after_a_named_statement(store: Store, sql: str) -> None:
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        transaction.fetch("log/newest_event", model="bike_demand")
        cursor.execute(sql)


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
