"""Temporary folders that are removed with their process.

A folder is removed when its process ends. If the process was killed, the next one that makes a folder removes it.
A process holds a lock on its folder while it lives. The kernel frees the lock when the process dies, however that
happens. So a folder with a free lock has no owner. Programs that tidy up temporary files on Linux respect this lock.
Source: systemd.io/TEMPORARY_DIRECTORIES.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "cyclone-tmp-"
"""The beginning of the name of every folder that may be removed here. Other programs' folders have other names."""
_UNLOCKED_PREFIX = ".cyclone-new-"


@contextmanager
def temporary_folder(purpose: str, parent: Path | None = None) -> Iterator[Path]:
    """A new folder that is removed at the end. Folders of killed processes beside it are removed first.

    `purpose` becomes part of the folder's name. `parent` is by default the system's folder for temporary files.
    """
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    parent.mkdir(parents=True, exist_ok=True)
    sweep_temporary(parent)
    fresh = Path(tempfile.mkdtemp(prefix=_UNLOCKED_PREFIX, dir=parent))
    held = _open(fresh)
    fcntl.flock(held, fcntl.LOCK_EX)
    # Only a locked folder gets a name that others sweep. Before that, they could not see that it has an owner.
    folder = fresh.rename(parent / f"{PREFIX}{purpose}-{fresh.name.removeprefix(_UNLOCKED_PREFIX)}")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def sweep_temporary(parent: Path | None = None) -> list[Path]:
    """Remove the folders that nobody holds and that no process uses. Return the removed ones."""
    unused = [folder for folder in find_abandoned(parent) if not is_in_use(folder)]
    for folder in unused:
        shutil.rmtree(folder, ignore_errors=True)
    return [folder for folder in unused if not folder.exists()]


def find_abandoned(parent: Path | None = None) -> list[Path]:
    """The folders of our account whose makers are gone, with every fork of them."""
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    return [folder for folder in sorted(parent.glob(f"{PREFIX}*")) if _is_abandoned(folder)]


def is_in_use(folder: Path) -> bool:
    """Whether a process has its working directory in the folder, or a path in it among its arguments."""
    import psutil

    place = str(folder)
    for process in psutil.process_iter(["cwd", "cmdline"]):
        texts = [process.info["cwd"] or "", *(process.info["cmdline"] or [])]
        if any(text == place or f"{place}/" in text for text in texts):
            return True
    return False


def _is_abandoned(folder: Path) -> bool:
    with suppress(OSError):  # it is held, somebody else's, a link, or gone meanwhile
        descriptor = _open(folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.fstat(descriptor).st_uid == os.geteuid()
        finally:
            os.close(descriptor)
    return False


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
