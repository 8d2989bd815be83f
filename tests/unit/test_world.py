"""A test sees nothing of this machine's user, and nothing of a platform that runs beside it."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from cyclone.__main__ import main
from cyclone.places import REPOSITORY
from cyclone.settings import read_settings
from cyclone.temporary import PREFIX
from tests.conftest import FOREIGN, KEPT

OWN = {"AIRFLOW_HOME", "BENTOML_HOME", "CYCLONE_WORK_DIR"}


def list_foreign() -> set[str]:
    return {name for name in os.environ if name.startswith(FOREIGN)} - {*KEPT}


def test_no_variable_leads_out_of_the_session_though_a_platform_runs_in_this_checkout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["cyclone", "timeline", "nothing"])
    with pytest.raises(SystemExit):
        main()  # every command looks for the platform, and takes its addresses into this process
    assert list_foreign() == OWN
    assert read_settings().store_dsn == read_settings().mlflow_uri == ""


def test_temporary_files_and_homes_are_in_one_folder_that_goes_with_the_session() -> None:
    world = Path(tempfile.gettempdir())
    assert world.name.startswith(f"{PREFIX}tests-")
    assert not world.is_relative_to(REPOSITORY)
    assert all(Path(os.environ[name]).is_relative_to(world) for name in OWN)
