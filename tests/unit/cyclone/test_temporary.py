"""Temporary folders against real processes: whose maker lives stay, whose maker was killed go."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from cyclone.places import REPOSITORY
from cyclone.temporary import PREFIX, is_in_use, sweep_temporary, temporary_folder

HOLD = """
import os, sys, time
from pathlib import Path
from cyclone.temporary import temporary_folder
with temporary_folder("held", Path(sys.argv[1])) as folder:
    (folder / "content").write_text("data")
    if "fork" in sys.argv and os.fork() == 0:
        time.sleep(60)
    print(folder, flush=True)
    time.sleep(60)
"""


class Holder:
    """A process that has made a temporary folder and works on."""

    def __init__(self, parent: Path, *options: str) -> None:
        command = [sys.executable, "-c", HOLD, str(parent), *options]
        self.process = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        self.folder = Path(self.process.stdout.readline().strip())

    def kill(self) -> None:
        """With SIGKILL, and only itself."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)  # a fork of it too
        self.process.wait()


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def hold(processes: ExitStack, parent: Path, *options: str) -> Holder:
    holder = Holder(parent, *options)
    processes.callback(holder.close)
    return holder


def test_a_folder_goes_with_all_that_is_in_it_when_its_block_ends(tmp_path: Path) -> None:
    with temporary_folder("mine", tmp_path / "new") as folder:
        assert folder.name.startswith(f"{PREFIX}mine-")
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "below").mkdir()
    with pytest.raises(ZeroDivisionError), temporary_folder("mine", tmp_path / "new"):
        _ = 1 / 0
    assert list((tmp_path / "new").iterdir()) == []


def test_the_folder_of_a_killed_process_goes_at_the_next_start_and_that_of_a_living_one_stays(
    processes: ExitStack, tmp_path: Path
) -> None:
    killed, living = hold(processes, tmp_path), hold(processes, tmp_path)
    killed.kill()
    assert (killed.folder / "content").read_text() == "data"
    with temporary_folder("mine", tmp_path) as folder:
        assert {*tmp_path.iterdir()} == {folder, living.folder}
        assert (living.folder / "content").read_text() == "data"
    assert sweep_temporary(tmp_path) == []


def test_a_folder_stays_while_a_fork_of_its_maker_lives(processes: ExitStack, tmp_path: Path) -> None:
    holder = hold(processes, tmp_path, "fork")
    holder.kill()
    assert sweep_temporary(tmp_path) == []
    holder.close()
    wait_until_swept(tmp_path, holder.folder)


def test_a_folder_stays_while_a_process_works_in_it_or_was_told_of_it(processes: ExitStack, tmp_path: Path) -> None:
    holder = hold(processes, tmp_path)
    sleep = [sys.executable, "-c", "import sys, time; print('up', flush=True); time.sleep(60)"]
    for command, cwd in ((sleep, holder.folder), ([*sleep, f"--data={holder.folder}/data"], REPOSITORY)):
        with subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE) as user:
            assert user.stdout is not None
            user.stdout.readline()
            assert is_in_use(holder.folder)
            if holder.process.poll() is None:
                holder.kill()
            assert sweep_temporary(tmp_path) == []
            user.kill()
    wait_until_swept(tmp_path, holder.folder)


def test_nothing_else_is_removed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "cyclone-spool-0").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}file").touch()
    before = {*tmp_path.iterdir()}
    assert sweep_temporary(tmp_path) == []
    assert {*tmp_path.iterdir()} == before
    assert sweep_temporary(tmp_path / "missing") == []


def wait_until_swept(parent: Path, folder: Path) -> None:
    """A killed process may hold its lock for a moment longer."""
    deadline = time.monotonic() + 20
    while not sweep_temporary(parent):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not folder.exists()
