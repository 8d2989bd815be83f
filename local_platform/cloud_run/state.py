"""What survives a restart: one JSON file. It is replaced as a whole, under a lock that one process holds."""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cyclone.errors import PlatformError
from local_platform.cloud_run.resources import Revision, Service, from_json, to_json
from local_platform.cloud_run.services import ServiceRecord

FORMAT = 1
"""The number of the file's format. A file of another format is not read."""
KEPT_OPERATIONS = 200
"""The finished operations that are kept for clients that still ask for them. The value is a choice."""


class State:
    """Records by service id and operations by name, in memory and in `<directory>/state.json`.

    The directory belongs to one process at a time. Errors: `PlatformError` when another process has it.
    """

    def __init__(self, directory: Path):
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / "state.json"
        self._lock = _lock_directory(directory)
        self.records: dict[str, ServiceRecord] = {}
        self.operations: dict[str, dict[str, Any]] = {}
        if self._path.exists():
            self._load(json.loads(self._path.read_text()))

    def _load(self, stored: Mapping[str, Any]) -> None:
        if stored.get("format") != FORMAT:
            raise PlatformError(
                f"{self._path} has format {stored.get('format')!r}, this version reads {FORMAT}. Remove the file."
            )
        self.records = {key: record_from_json(value) for key, value in stored["services"].items()}
        self.operations = dict(stored["operations"])

    def save(self) -> None:
        """Write everything down. After a crash the file is either the old one or the new one."""
        finished = [name for name, operation in self.operations.items() if operation.get("done")]
        for name in finished[:-KEPT_OPERATIONS]:
            del self.operations[name]
        services = {key: record_to_json(record) for key, record in self.records.items()}
        text = json.dumps({"format": FORMAT, "services": services, "operations": self.operations}, indent=1)
        temporary = self._path.with_suffix(".new")
        with temporary.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # before the rename, or a crash of the machine may leave an empty file
        temporary.replace(self._path)

    def list_ports(self) -> set[int]:
        """Every port that belongs to a service or a tag, whether or not it is in use."""
        return {port for record in self.records.values() for port in (record.port, *record.tag_ports.values())}

    def close(self) -> None:
        """Let another process have the directory."""
        os.close(self._lock)


def _lock_directory(directory: Path) -> int:
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise PlatformError(
            f"The state directory {directory} is in use by another Cloud Run stand-in. Stop that one or choose "
            "another --state-dir."
        ) from None
    return lock


def record_to_json(record: ServiceRecord) -> dict[str, Any]:
    """The stored form of a record."""
    return {
        "service": to_json(record.service),
        "revisions": {key: to_json(revision) for key, revision in record.revisions.items()},
        "port": record.port,
        "tag_ports": dict(record.tag_ports),
        "revision_count": record.revision_count,
        "bindings": list(record.bindings),
    }


def record_from_json(stored: Mapping[str, Any]) -> ServiceRecord:
    """The record that a stored form describes."""
    return ServiceRecord(
        service=from_json(Service, stored["service"]),
        revisions={key: from_json(Revision, value) for key, value in stored["revisions"].items()},
        port=stored["port"],
        tag_ports=stored["tag_ports"],
        revision_count=stored["revision_count"],
        bindings=tuple(stored.get("bindings", ())),  # a state of an earlier version has none
    )
