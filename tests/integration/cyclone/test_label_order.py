"""Which label of a prediction counts: the last one to arrive in Postgres, whatever clocks say."""

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from bento_service.prediction import build_probe_row
from cyclone.checks.rollups import rebuild, roll_up
from cyclone.rows.labels import add_labels
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from tests.support.statements import execute
from training.data.known_rows import read_known_rows

MODEL = "bike_demand"
FAR = datetime(2100, 1, 1, tzinfo=UTC)
LABELS_OF_A = "SELECT label FROM label WHERE id = 'a' ORDER BY arrival"


@pytest.fixture
def predicted(store: Store) -> Store:
    """A store with the prediction `a`, whose label is known to be 10."""
    at = "2011-01-01T00:00Z"
    execute(store, f"INSERT INTO prediction_id VALUES ('{MODEL}', 'a', '{at}')")
    columns = "model, id, version, revision, input, prediction, created_at"
    execute(store, f"INSERT INTO prediction_log ({columns}) VALUES ('{MODEL}', 'a', 1, 'r', '{{}}', '15', '{at}')")
    send(store, 10)
    return store


def send(store: Store, *labels: int, at: datetime | None = None) -> None:
    add_labels(store, MODEL, [{"id": "a", "label": label, "observed_at": at} for label in labels])


def read_label(store: Store) -> int:
    """The label that counts, wherever it is read."""
    (label,) = execute(store, "SELECT label FROM labelled_prediction")
    assert execute(store, "SELECT label FROM scored_prediction") == [label]
    known = f"SELECT label FROM training_row('{MODEL}', %(at)s, '-infinity')"
    assert execute(store, known, at=FAR) == [label]
    assert store.fetch("lineage/labels", model=MODEL, id="a")[0]["label"] == label[0]
    with store.transaction() as transaction:
        lines: list[bytes] = []
        transaction.copy_out("training/newest_labels_copy", Lines(lines), model=MODEL, as_of=FAR, ids=["a"])
    assert lines == [f"a,{label[0]}\n".encode()]
    return int(label[0])


class Lines:
    """A file that keeps what is written."""

    def __init__(self, lines: list[bytes]) -> None:
        self.write = lines.append


def test_of_a_request_that_corrects_itself_the_last_label_counts(predicted: Store) -> None:
    send(predicted, 20, 10)
    assert read_label(predicted) == 10
    send(predicted, 20, 10, 20)
    assert read_label(predicted) == 20
    assert execute(predicted, LABELS_OF_A) == [(10,), (20,), (10,), (20,), (10,), (20,)]


def test_a_correction_by_a_clock_that_is_behind_counts(predicted: Store) -> None:
    noon = datetime(2011, 1, 2, 12, tzinfo=UTC)
    send(predicted, 20, at=noon)
    send(predicted, 30, at=noon - timedelta(seconds=1))
    assert read_label(predicted) == 30


def test_an_undated_label_counts_after_one_from_the_allowed_future(predicted: Store) -> None:
    send(predicted, 20, at=datetime.now(UTC) + timedelta(minutes=4))
    send(predicted, 30)
    assert read_label(predicted) == 30


def test_a_label_that_is_sent_again_does_not_undo_a_correction(predicted: Store) -> None:
    noon = datetime(2011, 1, 2, 12, tzinfo=UTC)
    send(predicted, 20, at=noon)
    send(predicted, 30)
    send(predicted, 20, at=noon)
    assert read_label(predicted) == 30
    mixed = [{"id": "a", "label": 20, "observed_at": noon}, {"id": "a", "label": 20, "observed_at": None}]
    add_labels(predicted, MODEL, mixed)  # the second one is a correction: 30 counts until then
    assert read_label(predicted) == 20


def test_a_label_waits_for_one_of_the_same_prediction_that_is_not_committed(predicted: Store) -> None:
    second = threading.Thread(target=send, args=(predicted, 10), daemon=True)
    first = {"model": MODEL, "labels": json.dumps([{"id": "a", "label": 20, "observed_at": None}])}
    with predicted.transaction() as transaction:
        transaction.fetch("log/labels_lock", **first)
        transaction.fetch("log/labels_insert", **first, is_live=True)
        second.start()
        second.join(0.5)
        assert second.is_alive()
    second.join(20)
    assert execute(predicted, LABELS_OF_A) == [(10,), (20,), (10,)]
    assert read_label(predicted) == 10


def test_labels_of_many_predictions_take_their_turns_in_one_order(predicted: Store) -> None:
    ids = [f"id-{number}" for number in range(200)]

    def send_all(ordered: Sequence[str], label: int) -> None:
        for _ in range(5):
            add_labels(predicted, MODEL, [{"id": id_, "label": label, "observed_at": None} for id_ in ordered])

    threads = [threading.Thread(target=send_all, args=(ids[::step], label)) for label, step in ((1, 1), (2, -1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    newest = "SELECT DISTINCT ON (id) id, label FROM label WHERE id LIKE 'id-%%' ORDER BY id, arrival DESC"
    last = {label for _, label in execute(predicted, newest)}
    assert len(last) == 1  # deadlocked or lost requests would leave a mixture


def test_rolled_up_errors_follow_the_order_of_arrival(predicted: Store, bike_demand: ModelSpec) -> None:
    noon = datetime(2011, 1, 2, 12, tzinfo=UTC)
    send(predicted, 20, at=noon)
    roll_up(predicted, bike_demand)
    send(predicted, 16, at=noon - timedelta(hours=2))
    roll_up(predicted, bike_demand)
    errors = "SELECT sum(sum_absolute_error) FROM error_rollup"
    assert execute(predicted, errors) == [(1,)]
    rebuild(predicted, bike_demand)
    assert execute(predicted, errors) == [(1,)]


def test_training_reads_the_last_label_to_arrive(predicted: Store, bike_demand: ModelSpec) -> None:
    send(predicted, 20, at=datetime(2011, 1, 3, tzinfo=UTC))
    send(predicted, 30, at=datetime(2011, 1, 2, tzinfo=UTC))
    settings = Settings(store_dsn=predicted.dsn)
    row = json.dumps(build_probe_row(bike_demand))
    execute(predicted, "UPDATE prediction_log SET input = %(row)s::jsonb", row=row)
    known = read_known_rows(settings, bike_demand, as_of="2100-01-01")
    assert list(known.frame["label"]) == [30]
