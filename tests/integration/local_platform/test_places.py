"""Places where Cyclone cannot be installed or run: one sentence says so before anything is made."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from cyclone.temporary import sweep_temporary

REPOSITORY = Path(__file__).parents[3]
INSTALLED_FROM = ("Makefile", "pyproject.toml", "requirements")
ON_A_FILE_SYSTEM = """
set -e
folder="$1" options="$2" source="$3"
shift 3
mount -t tmpfs cyclone-test "$folder"
cp -r "$source"/. "$folder"
mount -o "remount,$options" "$folder"
exec "$@"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What an installation reads, in a path with a space."""
    folder = tmp_path / "a check out"
    folder.mkdir()
    for name in INSTALLED_FROM:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, folder / name)
    return folder


def run_on(
    folder: Path, options: str, source: Path, command: list[str], variables: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command where `folder` is a file system of its own with the content of `source`. Nobody else sees it."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    unshare = ["unshare", "--mount", "sh", "-c"]
    if subprocess.run([*unshare, f"mount -t tmpfs cyclone-test '{folder.parent}'"], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    return subprocess.run(
        [*unshare, ON_A_FILE_SYSTEM, "sh", str(folder), options, str(source), *command],
        env={**os.environ, **(variables or {})},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("noexec", "is on a file system that runs no programs (mounted noexec)"),
        ("ro", "cannot be written to"),
    ],
)
def test_setup_says_that_a_file_system_is_of_no_use(tmp_path: Path, checkout: Path, options: str, reason: str) -> None:
    place = tmp_path / "the place"
    place.mkdir()
    list_all = 'make --silent setup "PYTHON=$0"; ls -A'
    done = run_on(place, options, checkout, ["env", "-C", str(place), "sh", "-c", list_all, sys.executable])
    assert done.stdout.split() == [*INSTALLED_FROM]
    sentence, make = done.stderr.splitlines()
    assert sentence.startswith(f".venv cannot be made: {place} {reason}. Instead use a checkout in another folder")
    assert make.startswith("make: *** ")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a:b", "has a colon in its path, which separates paths in PATH"),
        ("a$HOME", "has a $ in its path, which Airflow and BentoML read as a variable"),
    ],
)
def test_setup_says_that_a_path_is_of_no_use(checkout: Path, name: str, reason: str) -> None:
    place = checkout.rename(checkout.with_name(name))
    command = ["make", "--silent", "setup", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.stderr.startswith(f".venv cannot be made: {place} {reason}. Instead use a checkout in another folder")
    assert not (place / ".venv").exists()


def test_make_takes_no_environment_with_a_space_in_its_path(checkout: Path, tmp_path: Path) -> None:
    command = ["make", "setup", f"VENV={tmp_path}/a venv"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert f'*** VENV is "{tmp_path}/a venv", and make takes no path with a space: name one without.' in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [checkout.name]


@pytest.mark.parametrize("command", ["up", "demo"])
def test_the_platform_says_that_its_state_cannot_be_written(tmp_path: Path, command: str) -> None:
    state_dir, empty = tmp_path / "a state", tmp_path / "empty"
    state_dir.mkdir()
    empty.mkdir()
    arguments = [sys.executable, "-m", "cyclone", command]
    done = run_on(state_dir, "ro", empty, arguments, {"CYCLONE_WORK_DIR": str(state_dir)})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"cyclone: the local platform cannot keep its state in {state_dir}: Read-only file system."
        " Name a folder that can be written to with CYCLONE_WORK_DIR\n"
    )


def run_in_copy(folder: Path, script: str) -> "subprocess.CompletedProcess[str]":
    """Run a script in a private copy below `folder`, which is empty again afterwards."""
    command = [str(REPOSITORY / ".ci" / "private-copy"), "sh", "-c", script]
    variables = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run(command, env=variables, cwd="/", capture_output=True, text=True, check=False)
    assert list(folder.iterdir()) == []
    return done


def test_ci_works_in_a_private_copy_that_is_gone_afterwards_and_hands_on_the_exit_code(tmp_path: Path) -> None:
    done = run_in_copy(tmp_path, "pwd; stat -c %a ..; git ls-files; ls -A; exit 3")
    assert (done.returncode, done.stderr) == (3, "")
    place, mode, *names = done.stdout.splitlines()
    assert (Path(place).name, mode) == ("a private copy", "700")
    assert {"Makefile", "cyclone/__init__.py", "cyclone", "tests", ".ci"} <= set(names)
    assert not {".venv", ".cyclone"} & set(names)


def test_the_copy_of_a_ci_that_was_killed_is_removed_by_the_next_one_that_looks(tmp_path: Path) -> None:
    command = [str(REPOSITORY / ".ci" / "private-copy"), "sh", "-c", "sleep 600 & echo started; wait"]
    variables = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "started\n"
        (copy,) = tmp_path.iterdir()
        assert sweep_temporary(tmp_path) == []
        family = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
        for process in family:
            process.kill()
        psutil.wait_procs(family[1:])
    assert sweep_temporary(tmp_path) == [copy]


def test_ci_fails_when_its_private_copy_was_opened_to_others(tmp_path: Path) -> None:
    done = run_in_copy(tmp_path, "chmod 755 ..")
    assert done.returncode == 1
    assert done.stderr.startswith("the command let other accounts into ")


def test_ci_that_is_told_to_stop_ends_what_it_runs_before_its_copy_goes(tmp_path: Path) -> None:
    script = "trap 'ls Makefile; exit' TERM; (sleep 600; echo too late) & echo $!; pwd; wait"
    command = [str(REPOSITORY / ".ci" / "private-copy"), "sh", "-c", script]
    variables = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        below = psutil.Process(int(running.stdout.readline()))
        assert Path(running.stdout.readline().strip()).is_dir()
        running.terminate()
        told = running.communicate(timeout=30)
    assert told == ("Makefile\n", "")
    assert running.returncode == 143
    assert not below.is_running() or below.status() == psutil.STATUS_ZOMBIE
    assert list(tmp_path.iterdir()) == []
