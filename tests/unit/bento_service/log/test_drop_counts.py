from datetime import UTC, datetime, timedelta
from pathlib import Path

from bento_service.log.drop_counts import HOURS, UNKNOWN_HOUR, DropCounts

NOON = datetime(2011, 1, 1, 12, tzinfo=UTC)


def test_counts_by_hour_outlive_their_process(tmp_path: Path) -> None:
    counts = DropCounts(tmp_path / "dropped")
    assert counts.read() == {}
    counts.add(NOON, 2)
    counts.add(NOON + timedelta(hours=1), 1)
    counts.add(NOON, 3)
    again = DropCounts(tmp_path / "dropped")  # the first one was never closed
    assert again.read() == {NOON: 5, NOON + timedelta(hours=1): 1}
    assert again.total == 6
    again.add(NOON, 1)
    assert counts.read()[NOON] == 6


def test_more_hours_than_there_is_room_for_are_still_counted(tmp_path: Path) -> None:
    counts = DropCounts(tmp_path / "dropped")
    for number in range(HOURS + 5):
        counts.add(NOON + timedelta(hours=number), 1)
    counts.add(NOON, 1)
    again = DropCounts(tmp_path / "dropped")
    assert again.total == HOURS + 6
    assert again.read()[UNKNOWN_HOUR] == 5
    assert again.read()[NOON] == 2
