"""A test sees nothing of this machine's user, and nothing of a platform that runs beside it."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from cyclone.__main__ import main
from cyclone.places import REPOSITORY
from cyclone.temporary import PREFIX
from local_platform.addresses import USUAL_PORTS
from local_platform.platform_record import PlatformRecord, ProcessId, environment
from tests.conftest import list_foreign

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
    assert kept == {"NO_PROXY", "no_proxy", "PYTHONPATH"}
    assert list_foreign(["PGHOST", "CYCLONE_IMAGE_FOUNDATION", "HOME", "K_REVISION"]) == ["PGHOST", "K_REVISION"]


def test_temporary_files_and_homes_are_in_one_folder_that_goes_with_the_session() -> None:
    world = Path(tempfile.gettempdir())
    assert world.name.startswith(f"{PREFIX}tests-")
    assert not world.is_relative_to(REPOSITORY)
    assert all(Path(os.environ[name]).is_relative_to(world) for name in HOMES)
