"""The files that one task of a retraining hands to the next, where workers share no folder.

Each worker has the run's folder below its own `work_dir`. With `CYCLONE_HANDOVER_URL` a task puts what it wrote there,
under `<model>/<run>/`, and a task that reads takes it from there. Without it the tasks share the folder itself.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cyclone.errors import ConfigurationError, HandoverError
from cyclone.settings import Settings


def share_files(settings: Settings, folder: Path, names: tuple[str, ...]) -> None:
    """Put files of a run's folder where other workers find them, in this order. What was there is replaced.

    Errors: `ConfigurationError` for an address that nothing here can open. `HandoverError` when the place cannot be
    written to, which another try may mend.
    """
    if not settings.handover_url:
        return
    with _open_place(settings, folder) as (files, place):
        files.makedirs(place, exist_ok=True)
        for name in names:
            files.put_file(str(folder / name), f"{place}/{name}")


def take_files(settings: Settings, folder: Path) -> Path:
    """Bring into a run's folder what earlier tasks put elsewhere. What is there under the same name is replaced.

    Nothing has been put there before the first task. Errors: as `share_files`.
    """
    if not settings.handover_url:
        return folder
    with _open_place(settings, folder) as (files, place):
        files.invalidate_cache()  # a listing may be from before the task that wrote
        for path in files.find(place):
            target = folder / path.rpartition("/")[2]
            partial = target.with_name(f"{target.name}.partial")
            files.get_file(path, str(partial))
            os.replace(partial, target)
    return folder


@contextmanager
def _open_place(settings: Settings, folder: Path) -> Iterator[tuple[Any, str]]:
    """The file system of the place, and the path in it of a run's files."""
    from fsspec.core import url_to_fs

    try:
        files, root = url_to_fs(settings.handover_url)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"CYCLONE_HANDOVER_URL={settings.handover_url!r} cannot be opened: {error}. Allowed are gs://, s3:// and"
            " file:// addresses. For s3:// install s3fs"
        ) from error
    try:
        yield files, "/".join((root.rstrip("/"), folder.parent.name, folder.name))
    # Each service has errors of its own, and which one is configured is only known here.
    except Exception as error:
        raise HandoverError(
            f"CYCLONE_HANDOVER_URL={settings.handover_url!r}: files of {folder.parent.name} cannot be handed over:"
            f" {type(error).__name__}: {error}. Let the worker read, write and list there"
        ) from error
