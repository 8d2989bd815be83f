"""The folders of spools. A base folder holds one folder for each process that answers.

A process holds the lock of its folder while it lives. If the lock of a folder is free, its process was killed, and the
next start takes the folder over.
"""

import fcntl
import json
import logging
import os
import shutil
import tempfile
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cyclone.errors import ConfigurationError
from cyclone.image_contract import SPOOL_DIR_VARIABLE
from cyclone.store import shorten_dsn

logger = logging.getLogger("bentoml.prediction_log")


@dataclass(frozen=True, slots=True)
class Instance:
    """One serving process. Its rows bear its id, and it numbers them from 1."""

    instance_id: str
    model: str
    version: int
    revision: str
    started_at: datetime

    @classmethod
    def begin(cls, model: str, version: int, revision: str) -> Self:
        """A new instance with an id of its own, which starts now."""
        return cls(f"{revision}-{uuid.uuid4().hex}", model, version, revision, datetime.now(UTC))


@dataclass(slots=True)
class SpoolFolder:
    """The folder of one instance. This process holds its lock."""

    path: Path
    instance: Instance
    lock: int

    def remove(self) -> None:
        """Delete the folder. Every row has to be in Postgres by then."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Give the lock back, so that the next start takes the folder over."""
        _close(self.lock)


@dataclass(slots=True)
class SpoolBase:
    """A base folder. `lock` is its lock if only this process may use it, and otherwise None."""

    path: Path
    lock: int | None = None

    def create_folder(self, instance: Instance) -> SpoolFolder:
        """A new folder of an instance, locked before another process can see it.

        Errors: `ConfigurationError` with the folder, when it cannot be made.
        """
        fresh, path = self.path / f".new-{instance.instance_id}", self.path / instance.instance_id
        try:
            fresh.mkdir()
            lock = os.open(fresh / "lock", os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            described = {**asdict(instance), "started_at": instance.started_at.isoformat()}
            (fresh / "instance.json").write_text(json.dumps(described))
            fresh.rename(path)
        except OSError as error:
            raise ConfigurationError(
                f"{self.path}: the spool cannot be made there. Check the folder's disk and rights: {error}"
            ) from error
        return SpoolFolder(path, instance, lock)

    def adopt_orphans(self) -> list[SpoolFolder]:
        """The folders whose processes are gone. This process holds their locks now.

        A folder that cannot be read is left there and reported in the log.
        """
        adopted = []
        for path in sorted(self.path.glob("*/instance.json")):
            lock = None
            try:
                if (lock := _try_lock(path.parent / "lock")) is not None:
                    adopted.append(SpoolFolder(path.parent, _read_instance(path), lock))
            except FileNotFoundError:  # its holder finished between our look and our lock
                _close(lock)
            except (OSError, ValueError, TypeError, KeyError) as error:
                _close(lock)
                logger.error("prediction log: the spool in %s cannot be read: %r", path.parent, error)
        return adopted


def claim_base(spool_dir: Path | None, model: str, dsn: str, worker: int) -> SpoolBase:
    """The base folder of a worker's spools.

    If CYCLONE_SPOOL_DIR names a folder, it is for this worker alone. Otherwise it is a folder among the temporary
    files that workers share.
    Errors: `ConfigurationError` when another instance has the folder, it cannot be made, or another account owns it.
    """
    if spool_dir is None:
        # The name has the store in it, because rows must not reach another store that has the same model.
        name = f"{model}-{shorten_dsn(dsn)}"
        shared = _make_private(Path(tempfile.gettempdir()) / f"cyclone-spool-{os.geteuid()}")
        return SpoolBase(_make_private(shared / name))
    path = _make_private(spool_dir.absolute()) / f"worker-{worker}.lock"
    lock = _try_lock(path)
    if lock is None:
        raise ConfigurationError(
            f"{SPOOL_DIR_VARIABLE}={spool_dir}: another instance has this spool ({path.name} is locked)."
            " Give every instance a folder of its own"
        )
    return SpoolBase(path.parent, lock)


def _close(lock: int | None) -> None:
    if lock is not None:
        with suppress(OSError):
            os.close(lock)


def _make_private(path: Path) -> Path:
    """The folder, made if it is not there. Only this account may read it, because rows are personal data."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = path.stat().st_uid
    except OSError as error:
        raise ConfigurationError(
            f"{path}: the spool's folder cannot be made. Set {SPOOL_DIR_VARIABLE} to a folder that can: {error}"
        ) from error
    if owner != os.geteuid():
        raise ConfigurationError(
            f"{path}: this folder belongs to another account. Set {SPOOL_DIR_VARIABLE} to a folder of your own"
        )
    return path


def _try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock until it is closed or its process ends. None if another process has the lock."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _read_instance(path: Path) -> Instance:
    fields = json.loads(path.read_text())
    return Instance(**{**fields, "started_at": datetime.fromisoformat(fields["started_at"])})
