"""Data of Postgres that are outside of their state directory, and their removal once that directory is gone.

A link in the state directory leads to the data. A record beside the data tells where that link is. While the link is
there, the data have an owner, whether anything runs or not. Whoever removes the state directory removes the link with
it. The next start of any Postgres then removes the data.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cyclone.temporary import is_in_use, temporary_folder
from local_platform.postgres_programs import SYSTEM_DIR

LINK = "postgres-data"
_RECORD = ".owner"
_HALF_MADE = ".new"


def claim_data(data_dir: Path, state_dir: Path) -> Path:
    """Note whose data these are, before they are made, and return where they are.

    They are elsewhere when the state directory was moved, because it keeps the data that it had. A new state directory
    begins with nothing. Data that an earlier one of the same path left are removed. So are all data beside them that
    have no owner.
    """
    if data_dir.is_relative_to(state_dir.resolve()):
        return data_dir
    for folder in (state_dir, data_dir.parent):
        folder.mkdir(parents=True, exist_ok=True)
    link = state_dir.resolve() / LINK
    with _lock(data_dir.parent):
        data_dir = _find_moved(link) or data_dir
        if not link.is_symlink():
            _remove_abandoned(_find_record(data_dir))
        if not _leads_to(link, data_dir):
            link.unlink(missing_ok=True)
            link.symlink_to(data_dir)
        _write_record(data_dir, link)  # after the link, or a kill in between would leave data without an owner
        _sweep(data_dir.parent)
    return data_dir


def sweep_data(place: Path = SYSTEM_DIR) -> list[Path]:
    """Remove the data whose state directory is gone and that no process uses. Return what was removed.

    Data without a record stay, because nobody knows whose they are.
    """
    if not place.is_dir() or not os.access(place, os.W_OK):
        return []
    with _lock(place):
        return _sweep(place)


def list_unrecorded(place: Path = SYSTEM_DIR) -> list[Path]:
    """Data that no record and no process belongs to, as a Cyclone left them that wrote no records yet."""
    found = [path for path in sorted(place.glob("postgres-*")) if path.is_dir() and path.suffix != _HALF_MADE]
    return [path for path in found if not _find_record(path).exists() and not is_in_use(path)]


@contextmanager
def temporary_state(purpose: str) -> Iterator[Path]:
    """A temporary folder for state directories. What they have outside of it goes with it."""
    try:
        with temporary_folder(purpose) as folder:
            folder.chmod(0o711)  # the account that runs root's Postgres has to pass
            yield folder
    finally:
        sweep_data()


def _sweep(place: Path) -> list[Path]:
    records = sorted(place.glob(f"*{_RECORD}"))
    return [record.with_suffix("") for record in records if _remove_abandoned(record)]


def _remove_abandoned(record: Path) -> bool:
    """Remove data whose record names a link that does not lead to them. False when they stay.

    Data that are still being made have the ending `.new`.
    """
    data_dir = record.with_suffix("")
    folders = (data_dir, data_dir.with_name(data_dir.name + _HALF_MADE))
    link = _read_record(record)
    if link is None or _leads_to(link, data_dir) or any(map(is_in_use, folders)):
        return False
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    if data_dir.exists():
        return False
    record.unlink(missing_ok=True)
    return True


def _find_moved(link: Path) -> Path | None:
    """The data of a state directory that was moved. None for a new one, and for a copy of one that is still there."""
    if not link.is_symlink() or not link.exists():
        return None
    data_dir = link.readlink()
    noted = _read_record(_find_record(data_dir))
    return data_dir if noted is not None and not _leads_to(noted, data_dir) else None


def _leads_to(link: Path, data_dir: Path) -> bool:
    with suppress(OSError):
        return link.readlink() == data_dir
    return False


def _find_record(data_dir: Path) -> Path:
    return data_dir.with_name(data_dir.name + _RECORD)


def _read_record(record: Path) -> Path | None:
    """The link that should lead to the data. None without a record, or with one that cannot be read."""
    try:
        return Path(json.loads(record.read_text())["link"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_record(data_dir: Path, link: Path) -> None:
    record = _find_record(data_dir)
    fresh = record.with_suffix(".noted")
    fresh.write_text(json.dumps({"link": str(link)}) + "\n")
    fresh.replace(record)


@contextmanager
def _lock(place: Path) -> Iterator[None]:
    """Hold the folder, so that only one process at a time claims and removes data there."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
