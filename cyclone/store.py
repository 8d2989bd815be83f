"""The client of the evaluation store: named statements from `sql/`, transactions, migrations."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclone.errors import StoreError

if TYPE_CHECKING:
    from psycopg2.extensions import connection

SQL_DIR = Path(__file__).resolve().parent.parent / "sql"
CONNECT_TIMEOUT_SECONDS = 10
MIGRATION_LOCK = 4_771_001

Row = dict[str, Any]


@cache
def load_statement(name: str) -> str:
    """The SQL of `sql/<name>.sql`, e.g. `store/incident_open`."""
    path = SQL_DIR / f"{name}.sql"
    if not path.is_file():
        raise StoreError(f"statement {name!r}: {path} does not exist")
    return path.read_text()


def shorten_dsn(dsn: str) -> str:
    """Twelve digits that tell one store from another, for names of folders."""
    return hashlib.sha256(dsn.encode()).hexdigest()[:12]


class Transaction:
    """Statements on one connection that are committed together."""

    def __init__(self, raw: "connection") -> None:
        self.connection = raw

    def fetch(self, statement: str, **parameters: Any) -> list[Row]:
        """Run `sql/<statement>.sql` and return its rows as dictionaries."""
        from psycopg2.extras import RealDictCursor

        with self.connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute(load_statement(statement), parameters)
            return [dict(row) for row in cursor.fetchall()]

    def fetch_one(self, statement: str, **parameters: Any) -> Row | None:
        """The first row, or None when there is none."""
        return next(iter(self.fetch(statement, **parameters)), None)

    def run(self, statement: str, **parameters: Any) -> int:
        """Run a statement that returns no rows; the number of rows it touched."""
        with self.connection.cursor() as cursor:
            cursor.execute(load_statement(statement), parameters)
            return cursor.rowcount


class Store:
    """The evaluation store at `dsn`. A call is one short-lived connection, except within `connected`."""

    def __init__(self, dsn: str) -> None:
        if not dsn:
            raise StoreError(
                "CYCLONE_STORE_DSN is empty: set it to a Postgres URI, e.g. postgresql://user@host/cyclone,"
                " or start the local platform with `make up`"
            )
        self.dsn = dsn
        self._kept: connection | None = None

    @contextmanager
    def connected(self) -> Iterator["Store"]:
        """The same store on one connection, kept for many calls in a row: connecting costs more than most of them."""
        store = Store(self.dsn)
        store._kept = store._connect()
        try:
            yield store
        finally:
            store._kept.close()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit on leaving, roll back on any error. Errors: `StoreError` when Postgres does not answer."""
        import psycopg2

        raw = self._kept or self._connect()
        try:
            with raw:
                yield Transaction(raw)
        except psycopg2.OperationalError as error:
            raise StoreError(f"the store at {self.address} stopped answering: {error}") from error
        except psycopg2.errors.UndefinedTable as error:
            raise StoreError(f"the store at {self.address} has no schema: run `cyclone migrate` ({error})") from error
        finally:
            if raw is not self._kept:
                raw.close()

    def fetch(self, statement: str, **parameters: Any) -> list[Row]:
        with self.transaction() as transaction:
            return transaction.fetch(statement, **parameters)

    def fetch_one(self, statement: str, **parameters: Any) -> Row | None:
        with self.transaction() as transaction:
            return transaction.fetch_one(statement, **parameters)

    def run(self, statement: str, **parameters: Any) -> int:
        with self.transaction() as transaction:
            return transaction.run(statement, **parameters)

    def migrate(self) -> list[str]:
        """Apply the migrations that are missing, then all views. Returns the names applied; safe to run twice."""
        with self.transaction() as transaction, transaction.connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            cursor.execute(
                "CREATE TABLE IF NOT EXISTS schema_migration"
                " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            cursor.execute("SELECT name FROM schema_migration")
            known = {name for (name,) in cursor.fetchall()}
            applied = []
            for path in sorted((SQL_DIR / "migrations").glob("*.sql")):
                if path.stem not in known:
                    cursor.execute(path.read_text())
                    cursor.execute("INSERT INTO schema_migration (name) VALUES (%s)", (path.stem,))
                    applied.append(path.stem)
            for path in sorted((SQL_DIR / "views").glob("*.sql")):
                cursor.execute(path.read_text())
        return applied

    @property
    def address(self) -> str:
        """The DSN without its password, for messages."""
        from psycopg2.extensions import make_dsn, parse_dsn

        address: str = make_dsn(**{key: value for key, value in parse_dsn(self.dsn).items() if key != "password"})
        return address

    def _connect(self) -> "connection":
        import psycopg2

        try:
            return psycopg2.connect(self.dsn, connect_timeout=CONNECT_TIMEOUT_SECONDS, options="-c timezone=UTC")
        except psycopg2.OperationalError as error:
            raise StoreError(f"the store at {self.address} does not answer: {str(error).strip()}") from error
        except psycopg2.ProgrammingError as error:
            raise StoreError(f"CYCLONE_STORE_DSN is not a Postgres URI or DSN: {str(error).strip()}") from error
