"""What the stack needs before its parts start, on a real Postgres: made once, each database for its role alone."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from cyclone.settings import read_settings
from local_platform.compose.__main__ import prepare_store
from local_platform.compose.databases import ensure_databases
from local_platform.compose.secret_files import draw_secrets
from local_platform.leftovers import temporary_state
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port

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


def test_the_store_is_prepared_twice_for_its_owner_and_for_grafana(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_secrets(tmp_path)
    with temporary_state("compose") as folder, EmbeddedPostgres.start(folder, free_port(0), ()) as server:
        dsn = server.dsn("cyclone").replace("postgres@", "cyclone@") + f"?passfile={tmp_path}/store/pgpass"
        monkeypatch.setenv("CYCLONE_STORE_DSN", dsn)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
        for said in ("applied: 0001", "the store is up to date"):
            prepare_store(read_settings(), "http://127.0.0.1:8080", tmp_path)
            assert capsys.readouterr().out.startswith(said)
        owners = "SELECT datname, pg_get_userbyid(datdba)::text FROM pg_database WHERE NOT datistemplate ORDER BY 1"
        assert execute(server.dsn("postgres"), owners) == [
            *(("airflow", "airflow"), ("cyclone", "cyclone"), ("mlflow", "mlflow"), ("postgres", "postgres")),
        ]
        tables = "SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname = 'public'"
        assert execute(dsn, tables) == [("cyclone",)]
        grafana = server.dsn("cyclone").replace("postgres@", "cyclone_grafana@")
        assert execute(grafana, "SELECT count(*) FROM alarm_log") == [(0,)]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            execute(grafana, "SELECT * FROM prediction_log")
        assert execute(dsn, "SELECT name FROM page_address ORDER BY 1") == [("airflow",), ("mlflow",)]
