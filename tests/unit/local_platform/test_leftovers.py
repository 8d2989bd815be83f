"""Data outside their state directory, in a place of the test's own: whose owner is gone go, all others stay."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local_platform.leftovers import LINK, claim_data, list_unrecorded, sweep_data


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """What `/var/lib/cyclone` is to root."""
    folder = tmp_path / "system"
    folder.mkdir()
    return folder


def make_data(place: Path, state_dir: Path, name: str = "postgres-1") -> Path:
    """Data as a start makes them."""
    data_dir = claim_data(place / name, state_dir)
    data_dir.mkdir(exist_ok=True)
    (data_dir / "PG_VERSION").write_text("18\n")
    return data_dir


def list_data(place: Path) -> set[str]:
    return {path.name for path in place.iterdir()}


def test_data_go_once_their_state_directory_is_gone_and_not_because_nothing_runs(place: Path, tmp_path: Path) -> None:
    kept, gone = make_data(place, tmp_path / "kept"), make_data(place, tmp_path / "gone", "postgres-2")
    assert sweep_data(place) == []
    shutil.rmtree(tmp_path / "gone")
    assert sweep_data(place) == [gone]
    assert list_data(place) == {"postgres-1", "postgres-1.owner"}
    assert (kept / "PG_VERSION").exists()
    assert sweep_data(place) == []


def test_data_of_which_no_record_tells_are_named_and_stay(place: Path, tmp_path: Path) -> None:
    make_data(place, tmp_path / "kept")
    (place / "postgres-2").mkdir()
    assert sweep_data(place) == []
    assert list_unrecorded(place) == [place / "postgres-2"]


def test_the_next_start_of_anybody_removes_what_a_killed_one_left_half_made_too(place: Path, tmp_path: Path) -> None:
    claim_data(place / "postgres-1", tmp_path / "gone")
    (place / "postgres-1.new" / "base").mkdir(parents=True)
    shutil.rmtree(tmp_path / "gone")
    make_data(place, tmp_path / "next", "postgres-2")
    assert list_data(place) == {"postgres-2", "postgres-2.owner"}


@pytest.mark.parametrize("half_made", ["", ".new"])
def test_data_that_a_process_uses_stay(place: Path, tmp_path: Path, half_made: str) -> None:
    data_dir = make_data(place, tmp_path / "gone")
    used = data_dir.with_name(data_dir.name + half_made)
    used.mkdir(exist_ok=True)
    shutil.rmtree(tmp_path / "gone")
    command = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)", "-D", str(used)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        assert sweep_data(place) == []
        assert used.is_dir()
        server.kill()
    assert sweep_data(place) == [data_dir]


def test_a_new_state_directory_of_the_same_path_begins_with_nothing(place: Path, tmp_path: Path) -> None:
    make_data(place, tmp_path / "state")
    assert claim_data(place / "postgres-1", tmp_path / "state") == place / "postgres-1"
    assert (place / "postgres-1" / "PG_VERSION").exists()
    shutil.rmtree(tmp_path / "state")
    assert not claim_data(place / "postgres-1", tmp_path / "state").exists()


def test_a_state_directory_that_is_moved_keeps_its_data_and_a_copy_does_not_take_them(
    place: Path, tmp_path: Path
) -> None:
    data_dir = make_data(place, tmp_path / "state")
    shutil.copytree(tmp_path / "state", tmp_path / "copy", symlinks=True)
    assert make_data(place, tmp_path / "copy", "postgres-2") == place / "postgres-2"
    (tmp_path / "state").rename(tmp_path / "moved")
    assert claim_data(place / "postgres-3", tmp_path / "moved") == data_dir
    assert sweep_data(place) == []
    assert list_data(place) == {"postgres-1", "postgres-1.owner", "postgres-2", "postgres-2.owner"}


def test_data_inside_the_state_directory_need_no_record(tmp_path: Path) -> None:
    assert claim_data(tmp_path / "state" / "postgres", tmp_path / "state") == tmp_path / "state" / "postgres"
    assert list(tmp_path.iterdir()) == []


def test_what_has_no_record_or_one_that_nobody_can_read_stays(place: Path, tmp_path: Path) -> None:
    for name in ("postgres-old", "postgresql-programs", "postgres-odd", "postgres-list"):
        (place / name).mkdir()
    (place / "postgres-odd.owner").write_text("{")
    (place / "postgres-list.owner").write_text(json.dumps(["link"]))
    before = list_data(place)
    assert sweep_data(place) == []
    assert list_data(place) == before
    old = claim_data(place / "postgres-old", tmp_path / "state")  # of a version that made no records
    assert old.is_dir()
    assert (tmp_path / "state" / LINK).resolve() == old
    assert sweep_data(tmp_path / "missing") == []
