"""Partitions are made ahead, few, and without waiting for those who read."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from bento_service.log.log_writer import Flush, LogWriter, StoreAway, find_hour
from bento_service.log.spool_folder import Instance
from bento_service.log.spooled_rows import LogRow
from cyclone.partitions import make_ahead
from cyclone.rows.labels import add_labels
from cyclone.store import Store
from tests.support.statements import execute

NOW = datetime.now(UTC)
THIS_MONTH = datetime(NOW.year, NOW.month, 1, tzinfo=UTC)
PARENTS = ("prediction_log", "label")


def find_month(ahead: int) -> datetime:
    """The first day of a month from now."""
    months = NOW.year * 12 + NOW.month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def read_spans(store: Store, parent: str) -> list[tuple[str, str]]:
    spans = "SELECT lower_bound::text, upper_bound::text FROM partition_span(%(parent)s) ORDER BY lower_bound"
    return [(lower, upper) for lower, upper in execute(store, spans, parent=parent)]


def tell(*bounds: datetime) -> list[tuple[str, str]]:
    texts = ["-infinity", *(f"{bound:%Y-%m-%d %H:%M:%S}+00" for bound in bounds)]
    return list(pairwise(texts))


ALL = tell(*map(find_month, range(4)))


def make_flush(*moments: datetime, number: int = 1) -> Flush:
    rows = [LogRow(at.isoformat(), at, 1.0, "{}", "1") for at in moments]
    lines = tuple(row.to_line(place).encode() for place, row in enumerate(rows, number))
    return Flush(number, lines, {find_hour(at): 1 for at in moments}, {}, number + len(rows) - 1)


@pytest.fixture
def writer(store: Store) -> Iterator[LogWriter]:
    made = LogWriter(store.dsn, Instance("one", "bike_demand", 1, "bike-demand-v1", NOW))
    yield made
    made.close()


@pytest.mark.parametrize("parent", PARENTS)
def test_a_migrated_store_holds_every_moment_up_to_the_next_months(store: Store, parent: str) -> None:
    assert read_spans(store, parent) == ALL


def test_a_request_with_labels_of_every_month_makes_no_partition(store: Store) -> None:
    moments = [datetime(2000 + month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(26 * 12)]
    labels = [{"id": f"{at:%Y-%m}", "label": 1, "observed_at": at} for at in moments]
    assert add_labels(store, "bike_demand", labels)["added"] == 312
    assert read_spans(store, "label") == ALL


def test_the_first_row_and_label_of_a_month_wait_for_no_reader(store: Store, writer: LogWriter) -> None:
    for parent in PARENTS:  # as after months without a monitor
        for ahead in range(3):
            execute(store, f"DROP TABLE {parent}_{find_month(ahead):%Y%m}")
    with store.transaction() as reading:
        for parent in PARENTS:
            reading.select(f"SELECT count(*) FROM {parent}")
        begun = time.monotonic()
        assert writer.write(make_flush(NOW, THIS_MONTH - timedelta(days=1))).stored == 2
        assert add_labels(store, "bike_demand", [{"id": "a", "label": 1, "observed_at": None}])["added"] == 1
        assert time.monotonic() - begun < 10
    assert [read_spans(store, parent) for parent in PARENTS] == [ALL, ALL]


def test_making_partitions_waits_for_nobody_long_and_holds_no_other_row_up(store: Store, writer: LogWriter) -> None:
    execute(store, f"DROP TABLE prediction_log_{find_month(2):%Y%m}")
    with store.transaction() as maintenance, maintenance.connection.cursor() as cursor:
        cursor.execute("LOCK TABLE prediction_log IN SHARE UPDATE EXCLUSIVE MODE")  # as ANALYZE takes it
        begun = time.monotonic()
        assert "the next run tries again" in make_ahead(store)
        assert time.monotonic() - begun < 10
        assert writer.write(make_flush(NOW)).stored == 1
        with pytest.raises(StoreAway, match="lock timeout"):  # and stays in the spool
            writer.write(make_flush(find_month(2), number=2))
    assert writer.write(make_flush(find_month(2), number=2)).stored == 1
    assert make_ahead(store) == ""
    assert read_spans(store, "prediction_log") == ALL


def test_a_row_that_no_partition_is_made_for_is_set_aside(store: Store, writer: LogWriter) -> None:
    far = datetime(NOW.year + 10, 1, 1, tzinfo=UTC)
    outcome = writer.write(make_flush(NOW, far))
    assert (outcome.stored, [row.id for row in outcome.refused]) == (1, [far.isoformat()])
    assert execute(store, "SELECT left(reason, 5) FROM set_aside_row") == [("23514",)]
    assert read_spans(store, "prediction_log") == ALL


def test_gaps_that_older_releases_or_dropped_months_left_are_filled_with_one_partition_each(store: Store) -> None:
    execute(store, "DROP TABLE label_past")
    for month, following in (("2011-01-01", "2011-02-01"), ("2012-05-01", "2012-06-01")):
        name = f"label_{month[:7].replace('-', '')}"
        execute(store, f"CREATE TABLE {name} PARTITION OF label FOR VALUES FROM ('{month}') TO ('{following}')")
    assert make_ahead(store) == ""
    months = [datetime(2011, 1, 1), datetime(2011, 2, 1), datetime(2012, 5, 1), datetime(2012, 6, 1)]
    assert read_spans(store, "label") == tell(*months, *map(find_month, range(4)))


def test_a_detached_partition_keeps_its_name(store: Store) -> None:
    execute(store, "ALTER TABLE label DETACH PARTITION label_past")
    assert make_ahead(store) == ""
    assert read_spans(store, "label") == ALL
    assert execute(store, "SELECT to_regclass('label_past') IS NOT NULL") == [(True,)]


def test_a_default_partition_that_somebody_added_holds_everything(store: Store) -> None:
    execute(store, "DROP TABLE label_past")
    execute(store, "CREATE TABLE label_rest PARTITION OF label DEFAULT")
    assert make_ahead(store) == ""
    assert ("-infinity", "infinity") in read_spans(store, "label")
