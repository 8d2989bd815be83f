"""The databases of the stack on a real Postgres: made once, each for its role alone."""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from local_platform.compose.databases import ensure_databases

ROLES = ("compose_one", "compose_two")


@pytest.fixture
def admin_dsn(postgres_uri: str) -> Iterator[str]:
    yield postgres_uri
    for role in ROLES:
        execute(postgres_uri, f"DROP DATABASE IF EXISTS {role}")
        execute(postgres_uri, f"DROP ROLE IF EXISTS {role}")


def execute(dsn: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def read_verifiers(dsn: str) -> dict[object, str]:
    rows = execute(dsn, "SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'compose%'")
    return {name: str(verifier) for name, verifier in rows}


def test_each_role_owns_a_database_that_the_others_cannot_enter(admin_dsn: str) -> None:
    ensure_databases(admin_dsn, {"compose_one": "first password", "compose_two": "second password"})
    verifiers = read_verifiers(admin_dsn)
    assert [verifier.partition("$")[0] for verifier in verifiers.values()] == ["SCRAM-SHA-256"] * 2
    own = admin_dsn.replace("postgres@", "compose_one@").rpartition("/")[0]
    assert execute(f"{own}/compose_one", "CREATE TABLE kept AS SELECT 7 AS number; SELECT number FROM kept") == [(7,)]
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        execute(f"{own}/compose_two", "SELECT 1")


def test_again_it_keeps_what_is_there_and_takes_a_new_password(admin_dsn: str) -> None:
    ensure_databases(admin_dsn, {"compose_one": "first password"})
    own = admin_dsn.replace("postgres@", "compose_one@").rpartition("/")[0] + "/compose_one"
    execute(own, "CREATE TABLE kept AS SELECT 7 AS number")
    before = read_verifiers(admin_dsn)
    ensure_databases(admin_dsn, {"compose_one": "another password"})
    assert execute(own, "SELECT number FROM kept") == [(7,)]
    assert read_verifiers(admin_dsn) != before
