"""The world of a test session, and fixtures that more than one folder needs.

Nothing that runs on this machine is seen by a test, and nothing that a test makes is seen by others. Temporary files
are in one folder that goes with the session. No variable names a store, a server or a folder of somebody else's.
"""

import atexit
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

import psutil
import psycopg2
import pytest

from cyclone.spec import ModelSpec, load_model_spec
from cyclone.store import Store
from cyclone.temporary import find_abandoned
from local_platform.leftovers import temporary_state
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port

REPOSITORY = Path(__file__).resolve().parent.parent
OF_PLATFORMS = ("AIRFLOW_", "BENTOML_", "CYCLONE_", "K_", "MLFLOW_", "OPENLINEAGE_", "PG")
"""How variables begin that lead to what runs here, as those that `cyclone env` prints."""
OF_STARTERS = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "MAKE", "MFLAGS")
"""How variables begin by which `make test` or a commit's hook would reach into the make and git that a test starts."""
KEPT = ("CYCLONE_IMAGE_FOUNDATION",)
"""What the machine's container engine builds upon; nothing else knows."""
STOP_SECONDS = 30
_database_numbers = count(1)


def list_foreign(variables: Iterable[str]) -> list[str]:
    """The names of variables that lead to something of whoever started the tests."""
    return [name for name in variables if name.startswith(OF_PLATFORMS + OF_STARTERS) and name not in KEPT]


def end_killed_sessions() -> None:
    """End what killed sessions left running, as a platform that a test had started in the background.

    Such a process has the folder of its session for temporary files, and nobody holds that folder any more.
    """
    worlds = {str(folder) for folder in find_abandoned()}
    left = []
    for process in psutil.process_iter(["environ"]) if worlds else ():
        if (process.info["environ"] or {}).get("TMPDIR") in worlds:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
                left.append(process)
    for process in psutil.wait_procs(left, STOP_SECONDS)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def enter_world() -> None:
    """Leave the surroundings of whoever started the tests. A worker of several shares the folder of its session."""
    for name in list_foreign(os.environ):
        del os.environ[name]
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker:
        world = Path(os.environ["TMPDIR"])
    else:
        end_killed_sessions()
        leaving = ExitStack()
        world = leaving.enter_context(temporary_state("tests"))
        atexit.register(leaving.close)
    os.environ["TMPDIR"] = tempfile.tempdir = str(world)
    own = world / f"home-{worker or 'session'}"
    (own / "bentoml").mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "AIRFLOW_HOME": str(own / "airflow"),
        "BENTOML_HOME": str(own / "bentoml"),  # BentoML reads it once, at the first look into its store
        "CYCLONE_WORK_DIR": str(own / "work"),  # or a platform that runs in this checkout would be found
    }


enter_world()


@pytest.fixture(scope="session")
def postgres_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of an embedded Postgres that lives as long as the test session."""
    with EmbeddedPostgres.start(tmp_path_factory.mktemp("session"), free_port(0), ()) as server:
        uri = server.dsn("postgres") + "?application_name=tests"
        # No test cuts the power, and hundreds of databases are made and dropped: a slow disk would take minutes.
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            _execute(uri, f"ALTER SYSTEM SET {setting} = off")
        _execute(uri, "SELECT pg_reload_conf()")
        yield uri


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


@pytest.fixture(scope="module")
def module_store(postgres_uri: str, template_database: str) -> Iterator[Store]:
    """One that the tests of a file share."""
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
