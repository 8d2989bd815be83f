"""The rows that a training gets: from the history file into the store, and from there into a dataset."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from cyclone.errors import DataError
from cyclone.releases import create_candidate, promote_release
from cyclone.rows.frames import frame_from_rows
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from tests.support.datasets import FEBRUARY, make_dataset
from tests.support.statements import execute
from training.data.dataset import build_dataset, read_dataset
from training.data.history import bring_history, load_history
from training.fit.train import train_challenger
from training.tracking.client import connect

MODEL = Path(__file__).resolve().parents[3] / "models" / "bike_demand"
NEW_LABEL = (
    "INSERT INTO label (model, id, label, observed_at)"
    " SELECT 'bike_demand', %(id)s, %(label)s::jsonb, %(observed_at)s::timestamptz"
)


def test_history_is_loaded_once_with_its_labels_a_day_late(store: Store, bike_demand: ModelSpec) -> None:
    assert load_history(store, bike_demand, MODEL) == 688
    assert load_history(store, bike_demand, MODEL) == 0
    rows = execute(
        store,
        "SELECT id, model_id, prediction, label, created_at FROM prediction ORDER BY created_at DESC LIMIT 1",
    )
    newest = datetime(2011, 1, 31, 23, tzinfo=UTC)
    assert rows == [("history-2011-01-31T23:00:00Z", "bike_demand:history", None, 17, newest)]
    observed = execute(store, "SELECT min(observed_at), max(observed_at), count(*) FROM label")
    assert observed == [(datetime(2011, 1, 2, tzinfo=UTC), newest + timedelta(days=1), 688)]


def test_the_first_training_brings_the_history_and_none_after_a_release(
    settings: Settings, store: Store, bike_demand: ModelSpec
) -> None:
    assert bring_history(settings, bike_demand) == 688
    execute(store, "DELETE FROM prediction_log")
    execute(store, "DELETE FROM prediction_id")
    moment = datetime(2011, 2, 1, tzinfo=UTC)
    release = create_candidate(store, "bike_demand", 1, "bike-v1", "image", "digest", "run", moment)
    promote_release(store, release, moment)
    assert bring_history(settings, bike_demand) == 0


def test_a_corrected_history_file_takes_the_place_of_the_first_one(
    settings: Settings, store: Store, bike_demand: ModelSpec, tmp_path: Path
) -> None:
    file = tmp_path / "bike_demand" / "data" / "bikeshare_2011.csv"
    file.parent.mkdir(parents=True)
    first = (MODEL / "data" / "bikeshare_2011.csv").read_text()
    settings = settings.model_copy(update={"models_dir": tmp_path})
    file.write_text(first)
    assert bring_history(settings, bike_demand) == 688
    header, row, *others = first.splitlines(keepends=True)
    file.write_text("".join([header, row.replace(",16\n", ",61\n"), *others[:600]]))
    assert bring_history(settings, bike_demand) == 88  # 87 rows are no more there, and one has another label
    assert execute(store, "SELECT count(*) FROM prediction") == [(601,)]
    corrected = "SELECT label FROM prediction WHERE id = 'history-2011-01-01T00:00:00Z'"
    assert execute(store, corrected) == [(61,)]
    moment = datetime(2011, 2, 1, tzinfo=UTC)
    release = create_candidate(store, "bike_demand", 1, "bike-v1", "image", "digest", "run", moment)
    promote_release(store, release, moment)
    file.write_text(first)
    assert bring_history(settings, bike_demand) == 88
    assert execute(store, corrected) == [(16,)]
    assert execute(store, "SELECT count(*) FROM label") == [(688,)]


def test_a_history_with_a_bad_row_leaves_the_store_as_it_was(
    store: Store, bike_demand: ModelSpec, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    text = (MODEL / "data" / "bikeshare_2011.csv").read_text()
    (tmp_path / "data" / "bikeshare_2011.csv").write_text(text.replace("light rain/snow", "drizzle"))
    with pytest.raises(DataError, match="weather is 'drizzle'"):
        load_history(store, bike_demand, tmp_path)
    assert execute(store, "SELECT count(*) FROM prediction_id") == [(0,)]


def test_a_dataset_holds_what_was_known_at_its_moment(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    execute(store, NEW_LABEL, id="history-2011-01-01T00:00:00Z", label="17", observed_at="2011-01-20T00:00:00Z")
    execute(store, NEW_LABEL, id="history-2011-01-01T00:00:00Z", label="99", observed_at="2011-01-31T00:00:00Z")
    as_of = datetime(2011, 1, 30, tzinfo=UTC)
    dataset = build_dataset(settings, bike_demand, "run_1", as_of)
    frame = read_dataset(bike_demand, dataset)
    assert dataset.last_created_at == "2011-01-29T00:00:00+00:00"  # labels come a day late
    assert frame["label"][0] == 17  # the newest known by then; 99 was only seen later
    assert dataset.rows == len(frame)
    assert frame["created_at"].is_monotonic_increasing
    record = json.loads((Path(dataset.path).parent / "dataset.json").read_text())
    bounds = {"as_of": dataset.as_of, "since": "-infinity", "label_delay": "86400.000000 seconds"}
    assert record["parameters"] == {"model": "bike_demand", **bounds}
    assert "FROM prediction_log" in record["query"]
    kept = execute(store, "SELECT run_id, row_count, fingerprint, since::text FROM dataset")
    assert kept == [("run_1", dataset.rows, dataset.fingerprint, "-infinity")]


def test_the_newest_days_wait_for_slow_labels_where_labels_of_one_kind_come_fast(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    """Busy hours are labelled after a day and the others after ten, as frauds that are found fast are."""
    spec = bike_demand.model_copy(
        update={"label": bike_demand.label.model_copy(update={"expected_delay_hours": 10 * 24})}
    )
    slow = "UPDATE label SET observed_at = observed_at + interval '9 days' WHERE label::integer < 60"
    execute(store, slow)
    early = read_dataset(spec, build_dataset(settings, spec, "run_1", FEBRUARY))
    assert early["created_at"].max() == FEBRUARY - timedelta(days=10)
    kinds = (early["label"] >= 60).groupby(early["created_at"].dt.floor("D")).mean()
    assert kinds[:-1].max() < 0.9  # no day has the early kind alone
    due = read_dataset(spec, build_dataset(settings, spec, "run_2", FEBRUARY + timedelta(days=9)))
    assert (len(due), due["created_at"].max()) == (688, datetime(2011, 1, 31, 23, tzinfo=UTC))


def test_a_dataset_has_the_types_that_serving_gives(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    frame = read_dataset(bike_demand, make_dataset(settings, bike_demand))
    rows = execute(store, "SELECT input FROM prediction_log ORDER BY created_at, id")
    served = frame_from_rows(bike_demand, [row for (row,) in rows])
    pd.testing.assert_frame_equal(frame[bike_demand.feature_names], served)


def test_a_dataset_is_built_once_a_run_and_alike_for_every_run(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    first = make_dataset(settings, bike_demand)
    other = make_dataset(settings, bike_demand, "run_2")
    assert (other.fingerprint, other.path) != (first.fingerprint, first.path)
    assert other.fingerprint == first.fingerprint
    execute(store, NEW_LABEL, id="history-2011-01-01T00:00:00Z", label="99", observed_at="2011-01-31T00:00:00Z")
    assert make_dataset(settings, bike_demand) == first
    assert make_dataset(settings, bike_demand, "run_3").fingerprint != first.fingerprint


def test_a_run_that_starts_again_has_the_data_of_then_and_trains_on_them(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    first = make_dataset(settings, bike_demand)
    before = train_challenger(settings, bike_demand, first, "run_1")
    again = build_dataset(settings, bike_demand, "run_1", FEBRUARY - timedelta(days=2))
    after = train_challenger(settings, bike_demand, again, "run_1")
    assert (before.training_rows, after.training_rows) == (587, 571)
    assert train_challenger(settings, bike_demand, again, "run_1") == after
    kept = execute(store, "SELECT run_id, as_of, row_count, fingerprint FROM dataset")
    assert kept == [("run_1", FEBRUARY - timedelta(days=2), again.rows, again.fingerprint)]
    run = connect(settings).get_run(after.mlflow_run_id)
    assert run.data.tags["cyclone.fingerprint"] == again.fingerprint != first.fingerprint


def test_rows_are_read_from_the_training_store_and_recorded_in_the_other(
    settings: Settings, store: Store, other_store: Store, bike_demand: ModelSpec
) -> None:
    load_history(other_store, bike_demand, MODEL)
    with pytest.raises(DataError, match="bike_demand: 0 labelled rows"):
        make_dataset(settings, bike_demand)
    dataset = make_dataset(settings.model_copy(update={"training_dsn": other_store.dsn}), bike_demand)
    recorded = "SELECT run_id, fingerprint FROM dataset"
    assert dataset.rows == 688
    assert execute(store, recorded) == [("run_1", dataset.fingerprint)]
    assert execute(other_store, recorded) == []


def test_a_window_leaves_older_rows_out(settings: Settings, bike_demand: ModelSpec, january: int) -> None:
    retrain = bike_demand.retrain.model_copy(update={"window_days": 16})
    dataset = make_dataset(settings, bike_demand.model_copy(update={"retrain": retrain}))
    assert dataset.first_created_at == "2011-01-17T00:00:00+00:00"


def test_too_few_rows_are_counted(settings: Settings, bike_demand: ModelSpec, january: int) -> None:
    with pytest.raises(DataError, match=r"bike_demand: 25 labelled rows are known at 2011-01-03 00:00, .* needs 200"):
        build_dataset(settings, bike_demand, "run_1", datetime(2011, 1, 3, tzinfo=UTC))


def test_rows_without_labels_are_no_training_data(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    execute(store, "DELETE FROM label")
    with pytest.raises(DataError, match="bike_demand: 0 labelled rows"):
        make_dataset(settings, bike_demand)


def test_a_constant_label_is_refused(settings: Settings, store: Store, bike_demand: ModelSpec, january: int) -> None:
    execute(store, "UPDATE label SET label = '5'")
    with pytest.raises(DataError, match="all 688 rows have the label 5, so nothing can be learned"):
        make_dataset(settings, bike_demand)


def test_a_holdout_longer_than_the_data_is_refused_and_nothing_is_written(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    retrain = bike_demand.retrain.model_copy(update={"holdout_days": 31})
    with pytest.raises(DataError, match=r"rows lie on 31 days and retrain.holdout_days keeps the newest 31, so none"):
        make_dataset(settings, bike_demand.model_copy(update={"retrain": retrain}))
    assert execute(store, "SELECT count(*) FROM dataset") == [(0,)]
    assert list((settings.work_dir / "retrainings" / "bike_demand" / "run_1").iterdir()) == []


def test_too_few_days_for_the_folds_are_counted(settings: Settings, bike_demand: ModelSpec, january: int) -> None:
    retrain = bike_demand.retrain.model_copy(update={"holdout_days": 6})
    spec = bike_demand.model_copy(update={"retrain": retrain})
    with pytest.raises(DataError, match=r"rows lie on 4 days before the newest 6, .* retrain.folds 5 needs"):
        build_dataset(settings, spec, "run_1", datetime(2011, 1, 11, tzinfo=UTC))


def test_one_label_before_the_newest_days_teaches_nothing(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    execute(store, "UPDATE label SET label = '5' WHERE id < 'history-2011-01-27'")
    with pytest.raises(DataError, match="the 587 rows before the newest 5 days have the label 5, so nothing can be"):
        make_dataset(settings, bike_demand)


def test_a_value_of_another_type_is_named_with_its_row(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    execute(
        store,
        "UPDATE prediction_log SET input = input || '{\"workingday\": null}' WHERE id = 'history-2011-01-05T00:00:00Z'",
    )
    with pytest.raises(DataError, match="row history-2011-01-05T00:00:00Z: workingday is None, allowed: true or"):
        make_dataset(settings, bike_demand)


def test_a_feature_that_is_the_label_is_refused(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    execute(
        store,
        "UPDATE prediction_log SET input = jsonb_set(input, '{wind}', (SELECT to_jsonb(label.label::float / 1000)"
        " FROM label WHERE label.id = prediction_log.id))",
    )
    with pytest.raises(DataError, match="feature 'wind' is the label in all 688 rows, in other units or"):
        make_dataset(settings, bike_demand)


def test_a_log_that_holds_the_same_rows_again_and_again_is_refused(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    copied = "SELECT model, id || '-' || n"
    for copy in (
        f"INSERT INTO prediction_log (model, id, input, created_at) {copied}, input, created_at FROM prediction_log",
        f"INSERT INTO label (model, id, label, observed_at) {copied}, label, observed_at FROM label",
    ):
        execute(store, f"{copy}, generate_series(2, 3) AS n")
    with pytest.raises(DataError, match="1376 of 2064 rows repeat another one in every value"):
        make_dataset(settings, bike_demand)
