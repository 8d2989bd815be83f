"""The databases of the stack and the roles that own them. No role can connect to another's database."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import connection


def ensure_databases(admin_dsn: str, passwords: Mapping[str, str]) -> None:
    """Make for each role a database of its name, owned by it, and give the role its password. Safe to run twice."""
    with _connect(admin_dsn) as server:
        for role, password in passwords.items():
            _ensure_role(server, role, password)
            _ensure_database(server, role)


def let_in(admin_dsn: str, role: str, database: str) -> None:
    """Let a role that owns nothing connect to a database. What it may read there is granted elsewhere."""
    from psycopg2 import sql

    with _connect(admin_dsn) as server, server.cursor() as cursor:
        cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(*map(sql.Identifier, (database, role))))


@contextlib.contextmanager
def _connect(dsn: str) -> Iterator["connection"]:
    """A connection whose statements are each committed at once, as CREATE DATABASE asks for."""
    import psycopg2

    with contextlib.closing(psycopg2.connect(dsn)) as server:
        server.autocommit = True
        yield server


def _ensure_role(server: "connection", role: str, password: str) -> None:
    from psycopg2 import sql
    from psycopg2.extensions import encrypt_password

    with server.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,))
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        # A verifier, so that a server which logs its statements does not log the password.
        verifier = encrypt_password(password, role, server, "scram-sha-256")
        cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD %s").format(sql.Identifier(role)), (verifier,))


def _ensure_database(server: "connection", role: str) -> None:
    from psycopg2 import sql

    name = sql.Identifier(role)
    with server.cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", (role,))
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
        cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
