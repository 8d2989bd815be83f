"""What survives a restart."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cyclone.errors import PlatformError
from local_platform.cloud_run.resources import Service, from_json
from local_platform.cloud_run.services import ServiceRecord, create_record
from local_platform.cloud_run.state import KEPT_OPERATIONS, State


def build_record() -> ServiceRecord:
    wanted = from_json(Service, {"template": {"containers": [{"image": "bike:1"}]}})
    record = create_record("projects/p/locations/l", "bike", wanted, "uid", datetime(2026, 1, 2, tzinfo=UTC))
    return ServiceRecord(record.service, record.revisions, 4711, {"candidate": 4712}, record.revision_count)


def test_records_and_operations_come_back_as_they_were(tmp_path: Path) -> None:
    state = State(tmp_path)
    record = build_record()
    state.records["bike"] = record
    state.operations["op"] = {"name": "op", "done": False}
    state.save()
    state.close()
    again = State(tmp_path)
    assert again.records == {"bike": record}
    assert again.operations == {"op": {"name": "op", "done": False}}
    assert again.list_ports() == {4711, 4712}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "state.json"]
    again.close()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    state = State(tmp_path)
    with pytest.raises(PlatformError, match=f"{tmp_path} is in use by another"):
        State(tmp_path)
    state.close()
    State(tmp_path).close()


def test_old_finished_operations_are_forgotten_and_unfinished_ones_kept(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.operations["running"] = {"done": False}
    state.operations |= {str(number): {"done": True} for number in range(KEPT_OPERATIONS + 3)}
    state.save()
    assert list(state.operations) == ["running", *(str(number) for number in range(3, KEPT_OPERATIONS + 3))]
    state.close()


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"format": 0}')
    with pytest.raises(PlatformError, match=r"state\.json has format 0, this version reads 1"):
        State(tmp_path)
