"""A test sees nothing of this machine's user, and nothing of a platform that runs beside it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from cyclone.__main__ import main
from cyclone.places import REPOSITORY
from cyclone.telemetry import SWITCHES
from cyclone.temporary import PREFIX
from local_platform.addresses import USUAL_PORTS
from local_platform.platform_record import PlatformRecord, ProcessId, environment
from tests.conftest import list_foreign

SESSION = """
import os, subprocess, sys, time
import tests.conftest
sleep = [sys.executable, "-c", "import time; time.sleep(60)", os.environ["TMPDIR"] + "/state"]
subprocess.Popen(sleep, start_new_session=True)
print(os.environ["TMPDIR"], flush=True)
time.sleep(60)
"""
HOMES = ("AIRFLOW_HOME", "BENTOML_HOME", "CYCLONE_WORK_DIR")


def test_a_command_that_a_test_gives_finds_no_platform_though_one_runs_in_this_checkout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["cyclone", "timeline", "nothing"])
    before = dict(os.environ)
    with pytest.raises(SystemExit):
        main()  # every command takes the addresses of the platform that runs into its process
    assert dict(os.environ) == before


def test_no_variable_that_leads_to_a_running_platform_is_taken_over(tmp_path: Path) -> None:
    now = ProcessId.of(os.getpid())
    record = PlatformRecord(now, "2026-01-02T03:04:05+00:00", tmp_path, "dsn", USUAL_PORTS, tmp_path, tmp_path)
    told = environment(record)
    kept = set(told) - set(list_foreign(told))
    assert kept == {"NO_PROXY", "no_proxy", "PYTHONPATH", *SWITCHES} - set(list_foreign(SWITCHES))
    assert list_foreign(["PGHOST", "CYCLONE_IMAGE_FOUNDATION", "HOME", "K_REVISION"]) == ["PGHOST", "K_REVISION"]


def test_no_test_is_steered_by_the_make_or_the_commit_that_started_the_tests() -> None:
    of_starters = ["MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "GIT_DIR", "GIT_INDEX_FILE"]
    assert list_foreign([*of_starters, "GIT_SSL_CAINFO", "PATH"]) == of_starters


def test_the_next_session_ends_what_a_killed_one_left_running_and_removes_its_folder(tmp_path: Path) -> None:
    with start_session(tmp_path) as killed, start_session(tmp_path) as living:
        worlds = [read_world(session) for session in (killed, living)]
        killed.kill()
        killed.wait()
        assert worlds[0].exists()
        begin_and_end(tmp_path)
        assert [world.exists() for world in worlds] == [False, True]
        assert [count_left(world) for world in worlds] == [0, 1]
        living.kill()
    begin_and_end(tmp_path)
    assert list(tmp_path.iterdir()) == []


def start_session(parent: Path) -> "subprocess.Popen[str]":
    """A session whose tests have started a program that outlives them."""
    command = [sys.executable, "-c", SESSION]
    return subprocess.Popen(command, env=surround(parent), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def surround(parent: Path) -> dict[str, str]:
    """The variables of somebody who keeps temporary files there and starts a session, not a worker of this one."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTEST_XDIST_WORKER"}
    return ours | {"TMPDIR": str(parent)}


def read_world(session: "subprocess.Popen[str]") -> Path:
    assert session.stdout is not None
    return Path(session.stdout.readline().strip())


def begin_and_end(parent: Path) -> None:
    command = [sys.executable, "-c", "import tests.conftest"]
    subprocess.run(command, env=surround(parent), cwd=REPOSITORY, check=True)


def count_left(world: Path) -> int:
    """The processes that have their temporary files there."""
    every = psutil.process_iter(["environ"])
    return sum((process.info["environ"] or {}).get("TMPDIR") == str(world) for process in every)


def test_temporary_files_and_homes_are_in_one_folder_that_goes_with_the_session() -> None:
    world = Path(tempfile.gettempdir())
    assert world.name.startswith(f"{PREFIX}tests-")
    assert not world.is_relative_to(REPOSITORY)
    assert all(Path(os.environ[name]).is_relative_to(world) for name in HOMES)
