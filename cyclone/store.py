"""The client of the evaluation store: it runs named statements from `sql/` in transactions, and applies migrations."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NamedTuple, Protocol, TextIO

from cyclone.errors import StatementError, StoreError
from cyclone.places import find_shipped
from cyclone.store_faults import explain_refusal, join_lines, name_fault

if TYPE_CHECKING:
    from psycopg2.extensions import connection

CONNECT_TIMEOUT_SECONDS = 10
"""How long a connection may take. A busy Postgres still answers in it, and a person still waits for the error."""
STATEMENT_SECONDS = 900
"""How long one statement may take. Ten million rows are rolled up in 34 s (docs/decisions/0004-rollups.md)."""
NETWORK_SECONDS = 15
"""After so long without an answer from the other host a connection is given up. Else it takes many minutes."""
MIGRATION_LOCK = 4_771_001
"""The number of the advisory lock under which migrations run. Any number does that no other program locks."""
MIGRATION_LOCK_SECONDS = 30
"""How long a migration waits for a table that others use. It is undone then, and can be tried again."""

Row = dict[str, Any]
Mode = Literal["write", "read", "snapshot"]
MODES: dict[Mode, str] = {
    "write": "",
    "read": "SET TRANSACTION READ ONLY",
    "snapshot": "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
}
"""The SQL that begins a transaction of each mode.

All statements of a snapshot see what was committed before its first statement.
"""


class Writable(Protocol):
    """A file that `copy_out` can write to."""

    def write(self, line: bytes, /) -> object: ...


class Selection(NamedTuple):
    """The result of a statement. Its columns are known even when there is no row."""

    columns: list[str]
    rows: list[Row]


@cache
def load_statement(name: str) -> str:
    """The SQL of `sql/<name>.sql`, such as `policy/incident_open`. Errors: `StoreError` when there is no such file."""
    path = find_shipped("sql") / f"{name}.sql"
    if not path.is_file():
        raise StoreError(f"statement {name!r}: {path} does not exist. Install Cyclone again, or correct the name")
    return path.read_text()


def list_scripts(folder: str) -> list[Path]:
    """The files of `sql/<folder>` and below, in the order of the numbers in their names.

    Errors: `StoreError` without any.
    """
    paths = sorted((find_shipped("sql") / folder).rglob("*.sql"), key=lambda path: path.name)
    if not paths:
        raise StoreError(f"{find_shipped('sql') / folder}: no .sql file is there. Install Cyclone again")
    return paths


def parse_address(dsn: str) -> dict[str, str]:
    """The parts that a DSN names, such as `host`, `port` and `dbname`."""
    from psycopg2.extensions import parse_dsn

    parts: dict[str, str] = parse_dsn(dsn)
    return parts


def connect(dsn: str, connect_seconds: int, statement_seconds: int) -> "connection":
    """A connection in UTC that waits for nothing for ever. Options that the DSN names count before ours.

    Errors: those of psycopg2.
    """
    import psycopg2

    own = parse_address(dsn).get("options", "")
    return psycopg2.connect(
        dsn,
        connect_timeout=connect_seconds,
        options=f"-c statement_timeout={statement_seconds}s {own} -c timezone=UTC",
        keepalives_idle=NETWORK_SECONDS // 3,
        keepalives_interval=NETWORK_SECONDS // 3,
        keepalives_count=2,
        tcp_user_timeout=1000 * min(NETWORK_SECONDS, statement_seconds),
    )


def shorten_dsn(dsn: str) -> str:
    """Twelve hexadecimal digits that differ between stores, for names of folders."""
    return hashlib.sha256(dsn.encode()).hexdigest()[:12]


class Transaction:
    """A transaction: statements on one connection that are committed together."""

    def __init__(self, raw: "connection") -> None:
        self.connection = raw
        self.statement = "(none)"
        """The name of the last named statement that was begun, for errors."""

    def fetch(self, statement: str, **parameters: Any) -> list[Row]:
        """Run `sql/<statement>.sql` and return its rows as dictionaries."""
        from psycopg2.extras import RealDictCursor

        with self.connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute(self._load(statement), parameters)
            return [dict(row) for row in cursor.fetchall()]

    def fetch_one(self, statement: str, **parameters: Any) -> Row | None:
        """The first row, or None when there is none."""
        return next(iter(self.fetch(statement, **parameters)), None)

    def run(self, statement: str, **parameters: Any) -> int:
        """Run a statement that returns no rows. Return the number of rows that it changed."""
        with self.connection.cursor() as cursor:
            cursor.execute(self._load(statement), parameters)
            return cursor.rowcount

    def select(self, sql: str, /, **parameters: Any) -> Selection:
        """Run SQL that has no file of Cyclone's own: the SQL of a check, or SQL that code builds.

        Errors: `StatementError` when Postgres refuses it, or when it asks for a parameter that is not given.
        """
        import psycopg2
        from psycopg2.extras import RealDictCursor

        with self.connection.cursor(cursor_factory=RealDictCursor) as cursor:
            try:
                cursor.execute(sql, parameters)
                rows = [dict(row) for row in cursor.fetchall()]
            except psycopg2.Error as error:
                raise explain_refusal(error) from error
            except (KeyError, ValueError, TypeError, IndexError) as error:
                raise StatementError(str(error), "parameter") from error
            return Selection([column.name for column in cursor.description or ()], rows)

    def _load(self, statement: str) -> str:
        self.statement = statement
        return load_statement(statement)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of the transaction that is undone alone if it fails. The transaction itself can then go on."""
        with self.connection.cursor() as cursor:
            cursor.execute("SAVEPOINT step")
            try:
                yield
            except BaseException:
                cursor.execute("ROLLBACK TO SAVEPOINT step")
                raise
            cursor.execute("RELEASE SAVEPOINT step")

    def copy_in(self, statement: str, lines: TextIO | BinaryIO) -> None:
        """Run a COPY … FROM STDIN of `sql/<statement>.sql` on the lines of a file."""
        with self.connection.cursor() as cursor:
            cursor.copy_expert(self._load(statement), lines)

    def copy_out(self, statement: str, file: Writable, **parameters: Any) -> None:
        """Run a COPY … TO STDOUT of `sql/<statement>.sql`. The file gets one line for each row."""
        with self.connection.cursor() as cursor:
            # COPY takes no parameters, so the driver writes them into the text.
            cursor.copy_expert(cursor.mogrify(self._load(statement), parameters).decode(), file)

    def copy_query_out(self, query: str, file: Writable) -> None:
        """Run somebody else's SELECT. The file gets its rows as CSV, the names of the columns first."""
        self.statement = "the query"
        with self.connection.cursor() as cursor:
            cursor.copy_expert(f"COPY ({query.strip().rstrip(';')}) TO STDOUT (FORMAT csv, HEADER)", file)

    def encrypt_password(self, role: str, password: str) -> str:
        """The SCRAM verifier of a role's password, which Postgres takes in place of the password."""
        from psycopg2.extensions import encrypt_password

        verifier: str = encrypt_password(password, role, scope=self.connection, algorithm="scram-sha-256")
        return verifier

    def list_fields(self, column: str, names: Sequence[str]) -> Any:
        """A parameter that stands for some fields of a JSON column, as a list of SQL expressions of type text."""
        from psycopg2 import sql
        from psycopg2.extensions import AsIs

        field = sql.SQL("{} ->> {}")
        fields = [field.format(sql.Identifier(column), sql.Literal(name)) for name in names]
        return AsIs(sql.SQL(", ").join(fields).as_string(self.connection))


class LockTransaction(Transaction):
    """A transaction that only holds a lock. An error of Postgres says that it has gone, and is a `StoreError`."""

    def fetch(self, statement: str, **parameters: Any) -> list[Row]:
        import psycopg2

        try:
            return super().fetch(statement, **parameters)
        except psycopg2.Error as error:
            raise StoreError(f"the connection that holds a lock has ended: {join_lines(error)}") from error


class Store:
    """The evaluation store at `dsn`, a Postgres URI. Each call opens a connection of its own, except in `connected`.

    A statement that takes longer than `patience_seconds` is stopped, as is the wait for a connection.

    Errors: `StoreError` for an empty `dsn`, and in each call when Postgres does not answer or has no schema.
    """

    def __init__(self, dsn: str, patience_seconds: int = STATEMENT_SECONDS) -> None:
        if not dsn:
            raise StoreError(
                "CYCLONE_STORE_DSN is empty: set it to a Postgres URI, e.g. postgresql://user@host/cyclone,"
                " or start the local platform with `make up`"
            )
        self.dsn = dsn
        self._patience_seconds = patience_seconds
        self._kept: connection | None = None

    @contextmanager
    def connected(self) -> Iterator["Store"]:
        """The same store on one connection that is kept for many calls. Most calls cost less than a connection."""
        store = Store(self.dsn, self._patience_seconds)
        store._kept = store._connect()
        try:
            yield store
        finally:
            store._kept.close()

    @contextmanager
    def transaction(self, mode: Mode = "write") -> Iterator[Transaction]:
        """A transaction that is committed at the end, and rolled back on any error.

        Errors: `StoreError` when Postgres does not answer, has no schema, or cannot do it at the moment.
        `StatementError` naming the statement that it refuses.
        """
        import psycopg2

        raw = self._kept or self._connect()
        transaction = Transaction(raw)
        try:
            with raw:
                if MODES[mode]:
                    raw.cursor().execute(MODES[mode])
                yield transaction
        except psycopg2.Error as error:
            raise name_fault(error, self.address, transaction.statement) from error
        finally:
            if raw is not self._kept:
                raw.close()

    @contextmanager
    def lock(self, statement: str, **parameters: Any) -> Iterator[LockTransaction]:
        """A transaction that only holds the lock which a statement takes. It is on a connection of its own.

        It writes nothing, so its end is no error, however it comes.
        Errors: `StoreError` when Postgres does not answer before the lock is taken.
        """
        raw = self._connect()
        try:
            lock = LockTransaction(raw)
            lock.fetch(statement, **parameters)
            yield lock
        finally:
            raw.close()

    def fetch(self, statement: str, **parameters: Any) -> list[Row]:
        """`Transaction.fetch` in a transaction of its own."""
        with self.transaction() as transaction:
            return transaction.fetch(statement, **parameters)

    def fetch_one(self, statement: str, **parameters: Any) -> Row | None:
        """`Transaction.fetch_one` in a transaction of its own."""
        with self.transaction() as transaction:
            return transaction.fetch_one(statement, **parameters)

    def run(self, statement: str, **parameters: Any) -> int:
        """`Transaction.run` in a transaction of its own."""
        with self.transaction() as transaction:
            return transaction.run(statement, **parameters)

    def migrate(self) -> list[str]:
        """Apply the migrations that are missing, then all views, and make the partitions of the coming months.

        Return the names of the migrations applied.
        It is safe to run twice, and by two processes at once.
        """
        with self.transaction() as transaction, transaction.connection.cursor() as cursor:
            # A migration may rewrite a table, which takes as long as it takes. While it waits for a lock, though, all
            # who come after it wait too.
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", (f"{MIGRATION_LOCK_SECONDS}s",))
            cursor.execute(
                "CREATE TABLE IF NOT EXISTS schema_migration"
                " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            cursor.execute("SELECT name FROM schema_migration")
            known = {name for (name,) in cursor.fetchall()}
            applied = []
            for path in list_scripts("migrations"):
                if path.stem not in known:
                    cursor.execute(path.read_text())
                    cursor.execute("INSERT INTO schema_migration (name) VALUES (%s)", (path.stem,))
                    applied.append(path.stem)
            # Views hold no data. They are made anew each time, so that they always fit the code.
            for path in list_scripts("views"):
                cursor.execute(path.read_text())
            transaction.fetch("log/partitions_ahead")
        return applied

    @property
    def address(self) -> str:
        """The DSN without its password. Messages show it."""
        from psycopg2.extensions import make_dsn

        address: str = make_dsn(**{key: value for key, value in parse_address(self.dsn).items() if key != "password"})
        return address

    def _connect(self) -> "connection":
        import psycopg2

        try:
            return connect(self.dsn, min(CONNECT_TIMEOUT_SECONDS, self._patience_seconds), self._patience_seconds)
        except psycopg2.OperationalError as error:
            raise StoreError(f"the store at {self.address} does not answer: {join_lines(error)}") from error
        except psycopg2.ProgrammingError as error:
            raise StoreError(f"CYCLONE_STORE_DSN is not a Postgres URI or DSN: {join_lines(error)}") from error
