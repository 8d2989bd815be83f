"""The local platform against real processes: what it promises is what is left, or not, when something dies."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2
import pytest

from cyclone.errors import PlatformError
from cyclone.temporary import is_in_use, temporary_folder
from local_platform.background import stop
from local_platform.leftovers import sweep_data, temporary_state
from local_platform.platform import lock_state
from local_platform.platform_record import PartRecord, PlatformRecord, ProcessId, environment, read_status
from local_platform.postgres import EmbeddedPostgres, PostgresHome
from local_platform.processes import free_port

REPOSITORY = Path(__file__).parents[3]
DEADLINE_SECONDS = 240.0
SECRET, FERNET_KEY = "CYCLONE_TRAINING_DSN", "AIRFLOW__CORE__FERNET_KEY"
RUN_POSTGRES = """
import sys, time
from pathlib import Path
import local_platform.postgres
from local_platform.leftovers import temporary_state
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port
local_platform.postgres.SYSTEM_DIR = Path(sys.argv[1])
with temporary_state("killed") as folder:
    (folder / "state").mkdir(mode=0o700)
    with EmbeddedPostgres.start(folder / "state", free_port(0)) as server:
        print(server.data_dir, flush=True)
        time.sleep(60)
"""
PARTS = {"postgres", "mlflow", "cloud-run", "api-server", "scheduler", "dag-processor", "triggerer"}


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A state directory that other accounts may walk to, so that root's Postgres keeps its data inside."""
    with temporary_state("platform") as folder:
        folder.chmod(0o755)
        yield folder


def test_postgres_keeps_what_was_committed_when_it_is_killed_and_started_again(state_dir: Path) -> None:
    with EmbeddedPostgres.start(state_dir, free_port(0)) as server:
        run_sql(server.dsn(), "CREATE TABLE kept AS SELECT 1 AS number")
        program = psutil.Process(server.process.program_pid or 0)
        program.kill()
        server.process.wait(DEADLINE_SECONDS)
    assert (server.data_dir / "postmaster.pid").exists()
    with EmbeddedPostgres.start(state_dir, free_port(0)) as server:
        assert run_sql(server.dsn(), "SELECT number FROM kept") == [(1,)]
    assert not (server.data_dir / "postmaster.pid").exists()


def test_postgres_starts_although_its_old_process_number_belongs_to_another_program(state_dir: Path) -> None:
    with EmbeddedPostgres.start(state_dir, free_port(0)) as server:
        pid_file = server.data_dir / "postmaster.pid"
        lines = pid_file.read_text().splitlines(keepends=True)
    pid_file.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))
    with EmbeddedPostgres.start(state_dir, free_port(0)) as server:
        assert run_sql(server.dsn("postgres"), "SELECT 1") == [(1,)]


def test_postgres_says_why_it_does_not_start(state_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PlatformError, match="could not bind IPv4 address"):
            EmbeddedPostgres.start(state_dir, taken.getsockname()[1])


def test_postgres_listens_on_loopback_tcp_only(state_dir: Path) -> None:
    with EmbeddedPostgres.start(state_dir, free_port(0)) as server:
        settings = ("listen_addresses", "unix_socket_directories")
        assert [run_sql(server.dsn(), f"SHOW {name}") for name in settings] == [[("127.0.0.1",)], [("",)]]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's Postgres runs as another account")
def test_roots_postgres_data_leaves_a_private_folder_rather_than_opening_it(state_dir: Path) -> None:
    assert PostgresHome.choose(state_dir).data_dir == state_dir / "postgres"
    state_dir.chmod(0o700)
    assert not PostgresHome.choose(state_dir).data_dir.is_relative_to(state_dir)
    assert state_dir.stat().st_mode & 0o777 == 0o700


@pytest.fixture
def system_dir(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `/var/lib/cyclone` is to root, of the test's own."""
    folder = state_dir / "system"
    folder.mkdir()
    monkeypatch.setattr("local_platform.postgres.SYSTEM_DIR", folder)
    return folder


def make_private(folder: Path) -> Path:
    """A state directory that only its owner may enter, as one in root's home is."""
    folder.mkdir(mode=0o700)
    return folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's Postgres has data outside its state directory")
def test_roots_data_outside_live_as_long_as_their_state_directory(state_dir: Path, system_dir: Path) -> None:
    kept, gone = make_private(state_dir / "kept"), make_private(state_dir / "gone")
    for folder in (kept, gone):
        with EmbeddedPostgres.start(folder, free_port(0)) as server:
            run_sql(server.dsn(), "CREATE TABLE kept AS SELECT 1 AS number")
            assert server.data_dir.parent == system_dir
    with EmbeddedPostgres.start(gone, free_port(0)) as server:
        shutil.rmtree(gone)
        assert sweep_data(system_dir) == []  # it runs on
        assert run_sql(server.dsn(), "SELECT number FROM kept") == [(1,)]
    with EmbeddedPostgres.start(kept, free_port(0)) as stopped_meanwhile:
        assert run_sql(stopped_meanwhile.dsn(), "SELECT number FROM kept") == [(1,)]
        assert {path for path in system_dir.iterdir() if path.is_dir()} == {stopped_meanwhile.data_dir}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's Postgres has data outside its state directory")
def test_data_of_a_killed_session_go_with_the_next_one(state_dir: Path, system_dir: Path) -> None:
    """It had made a folder for its state, and Postgres ran."""
    command = [sys.executable, "-c", RUN_POSTGRES, str(system_dir)]
    environment = os.environ | {"TMPDIR": str(state_dir)}
    with subprocess.Popen(command, env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None
        data_dir = Path(session.stdout.readline().strip())
        session.kill()
    assert (data_dir / "PG_VERSION").exists()
    wait_until(lambda: not is_in_use(data_dir))
    with temporary_folder("next", state_dir), EmbeddedPostgres.start(make_private(state_dir / "next"), free_port(0)):
        assert not data_dir.exists()


def test_cleaning_removes_a_state_that_nothing_runs_in(state_dir: Path) -> None:
    folder = state_dir / "state"
    folder.mkdir()
    command = [sys.executable, "-m", "local_platform.clean", str(folder)]
    environment = os.environ | {"TMPDIR": str(state_dir)}
    with closing(lock_state(folder)):
        refused = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True)
    assert refused.returncode == 1
    assert f"the local platform of {folder} is already running" in refused.stderr
    assert folder.exists()
    for _ in range(2):
        subprocess.run(command, env=environment, cwd=REPOSITORY, check=True)
        assert not folder.exists()


def test_a_state_directory_has_one_owner_at_a_time(state_dir: Path) -> None:
    build_record(state_dir, ProcessId.of(os.getpid())).write()
    with closing(lock_state(state_dir)):
        message = rf"already running \(pid {os.getpid()}, since 2026-01-02T03:04:05\+00:00\). `make down` stops it"
        with pytest.raises(PlatformError, match=message):
            lock_state(state_dir)
    lock_state(state_dir).close()


def test_a_record_is_read_as_it_was_written(state_dir: Path) -> None:
    assert PlatformRecord.read(state_dir) is None
    record = build_record(state_dir, ProcessId.of(os.getpid()))
    record.write()
    assert PlatformRecord.read(state_dir) == record
    (state_dir / "platform.json").write_text('{"owner": 1}')
    with pytest.raises(PlatformError, match=r"platform\.json cannot be read .*\. Remove it"):
        PlatformRecord.read(state_dir)


def test_a_part_that_does_not_end_is_named(state_dir: Path) -> None:
    record = build_record(state_dir, ProcessId.of(os.getpid()))
    with pytest.raises(PlatformError, match=rf"mlflow \(pid {os.getpid()}\)"):
        record.wait_until_ended(0)


def test_a_later_process_of_the_same_number_is_not_mistaken_for_the_recorded_one() -> None:
    now = ProcessId.of(os.getpid())
    assert now.find() == psutil.Process()
    assert ProcessId(now.pid, now.created - 1).find() is None


def test_stopping_what_does_not_run_is_no_error(state_dir: Path) -> None:
    assert stop(state_dir) is False
    build_record(state_dir, ProcessId(os.getpid(), 0.0)).write()
    assert stop(state_dir) is False
    assert read_status(state_dir) == []


@pytest.mark.e2e
def test_a_killed_owner_leaves_no_process_and_the_next_start_and_stop_work(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All without HOME, and in a folder whose path is all that quoting, URIs and templates may stumble over."""
    state_dir = state_dir / "it's 100 % #1? ü"
    (state_dir / "dags").mkdir(parents=True)
    monkeypatch.setenv(SECRET, "of the user")
    with run_owner(state_dir) as owner:
        record = wait_until_ready(state_dir, owner)
        knowing = {name for name, part in record.parts.items() if {SECRET, FERNET_KEY} & list_variables(part)}
        statuses = {each.name: each.is_up for each in read_status(state_dir)}
        variables = environment(record)
        belonging = list_belonging(state_dir)
        owner.kill()
    assert statuses == dict.fromkeys(PARTS, True)
    assert knowing == {"api-server", "scheduler", "dag-processor", "triggerer"}, "only tasks need what is the user's"
    assert variables["CYCLONE_STORE_DSN"] == record.build_dsn("cyclone")
    for name in ("AIRFLOW_HOME", "AIRFLOW_CONFIG", "BENTOML_HOME", "CYCLONE_WORK_DIR"):
        assert Path(variables[name]).is_relative_to(state_dir)
    assert {"airflow", "cloud_run", "dags", "mlflow"} <= {path.name for path in state_dir.iterdir()}
    assert len(belonging) > len(PARTS)
    wait_until(lambda: not list_belonging(state_dir))

    taken = socket.create_server(("127.0.0.1", record.ports["mlflow"]))
    with taken, run_owner(state_dir) as owner:
        again = wait_until_ready(state_dir, owner)
        assert again.ports["mlflow"] != record.ports["mlflow"]
        assert {**again.ports, "mlflow": record.ports["mlflow"]} == record.ports
        refused = start_owner(state_dir)
        assert refused.wait(DEADLINE_SECONDS) == 1
        assert f"already running (pid {owner.pid}" in (state_dir / "owner.log").read_text()
        assert stop(state_dir)
        assert owner.wait(DEADLINE_SECONDS) == 0
    assert list_belonging(state_dir) == []
    assert PlatformRecord.read(state_dir) is None


def list_variables(part: PartRecord) -> set[str]:
    """The names of all variables that a part's guard and its programs were started with."""
    guard = part.process.find()
    assert guard is not None
    names: set[str] = set()
    for process in (guard, *guard.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # one of many workers has ended
            names |= process.environ().keys()
    return names


def build_record(state_dir: Path, process: ProcessId) -> PlatformRecord:
    ports = {"postgres": 1, "airflow": 2, "mlflow": 3, "cloud_run": 4}
    parts = {} if not process.created else {"mlflow": PartRecord(process, "http://127.0.0.1:3")}
    return PlatformRecord(process, "2026-01-02T03:04:05+00:00", state_dir, "dsn", ports, state_dir, state_dir, parts)


def start_owner(state_dir: Path) -> "subprocess.Popen[bytes]":
    folders = ["--dags-dir", f"{state_dir}/dags", "--plugins-dir", f"{state_dir}/dags"]
    command = [sys.executable, "-m", "local_platform.platform", "--state-dir", str(state_dir), *folders]
    homeless = {name: value for name, value in os.environ.items() if name != "HOME"}
    with (state_dir / "owner.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=homeless, cwd=REPOSITORY, start_new_session=True)


@contextmanager
def run_owner(state_dir: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """An owner that is stopped when the test fails, or the test would wait for its end."""
    with start_owner(state_dir) as owner:
        try:
            yield owner
        finally:
            if owner.poll() is None:
                owner.terminate()


def wait_until_ready(state_dir: Path, owner: "subprocess.Popen[bytes]") -> PlatformRecord:
    def is_ready() -> bool:
        assert owner.poll() is None, (state_dir / "owner.log").read_text()
        record = PlatformRecord.read(state_dir)
        return record is not None and record.owner.pid == owner.pid and record.ready_at is not None

    wait_until(is_ready)
    record = PlatformRecord.read(state_dir)
    assert record is not None
    return record


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def list_belonging(state_dir: Path) -> list[int]:
    """Every process that names the state directory in its environment or command, or works inside it."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values(), process.cwd()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if process.pid != os.getpid() and any(str(state_dir) in word for word in words):
            found.append(process.pid)
    return found


def run_sql(dsn: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []
