"""From history to an image: each step on a real Postgres, a real MLflow and the rows of January 2011."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from sklearn.preprocessing import FunctionTransformer

from cyclone.errors import DataError, ReleaseError
from cyclone.releases import create_candidate, promote_release
from cyclone.rows.frames import frame_from_rows
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from tests.integration.staged_releases import record_champion
from tests.statements import execute
from training.data.dataset import Dataset, build_dataset, read_dataset
from training.data.history import bring_history, load_history
from training.fit.train import Challenger, train_challenger
from training.gate.comparison import compare_with_champion
from training.gate.rules import GateDecision
from training.images.bundle import compute_digest, stage_bundle
from training.images.image import build_image
from training.registry import _store_profile, register_challenger
from training.tracking.client import CHALLENGER, connect, fetch_model
from training.tracking.trusted_types import KNOWN_TYPES, require_trusted
from training.validation import validate_dataset

MODEL = Path(__file__).resolve().parents[2] / "models" / "bike_demand"
FEBRUARY = datetime(2011, 2, 2, tzinfo=UTC)
PASSED = GateDecision(True, None, 1.0, 72, "there is no champion to compare with")
NEW_LABEL = (
    "INSERT INTO label (model, id, label, observed_at)"
    " SELECT 'bike_demand', %(id)s, %(label)s::jsonb, %(observed_at)s::timestamptz"
)


def make_dataset(settings: Settings, spec: ModelSpec, run_id: str = "run_1") -> Dataset:
    return build_dataset(settings, spec, run_id, FEBRUARY)


def rewrite(dataset: Dataset, frame: pd.DataFrame) -> Dataset:
    frame.to_parquet(dataset.path, index=False)
    return dataset


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
    assert record["parameters"] == {"model": "bike_demand", "as_of": dataset.as_of, "since": "-infinity"}
    assert "FROM prediction_log" in record["query"]
    kept = execute(store, "SELECT run_id, row_count, fingerprint, since::text FROM dataset")
    assert kept == [("run_1", dataset.rows, dataset.fingerprint, "-infinity")]


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
    retrain = bike_demand.retrain.model_copy(update={"window_days": 14})
    dataset = make_dataset(settings, bike_demand.model_copy(update={"retrain": retrain}))
    assert dataset.first_created_at == "2011-01-19T00:00:00+00:00"


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
    assert list((settings.work_dir / "retrainings" / "run_1").iterdir()) == []


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


def test_a_challenger_is_trained_once_a_run_with_all_that_judges_it(
    settings: Settings, bike_demand: ModelSpec, january: int
) -> None:
    dataset = make_dataset(settings, bike_demand)
    validate_dataset(settings, bike_demand, dataset, "run_1")
    challenger = train_challenger(settings, bike_demand, dataset, "run_1")
    assert challenger.training_rows == 587  # all but the newest five days
    assert 5 < challenger.accepted_error < 20  # bikers an hour; January's mean is 55
    assert challenger.metrics["mean_absolute_error"] == challenger.accepted_error
    assert train_challenger(settings, bike_demand, dataset, "run_1") == challenger
    client = connect(settings)
    runs = client.search_runs([client.get_experiment_by_name("bike_demand").experiment_id])
    assert [run.info.run_id for run in runs] == [challenger.mlflow_run_id]
    assert runs[0].data.tags["cyclone.fingerprint"] == dataset.fingerprint
    artifacts = {item.path for item in client.list_artifacts(challenger.mlflow_run_id, "data")}
    assert artifacts == {
        f"data/{name}" for name in ("dataset.json", "dataset.parquet", "validation.html", "validation.json")
    }


def test_a_gate_compares_on_the_newest_rows_and_refuses_a_worse_challenger(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    dataset = make_dataset(settings, bike_demand)
    champion = train_challenger(settings, bike_demand, dataset, "run_1")
    first = compare_with_champion(settings, bike_demand, dataset, champion)
    assert (first.passed, first.champion_error, first.rows) == (True, None, 101)
    client = connect(settings)
    version = register_challenger(settings, bike_demand, champion, first).version
    record_champion(store, "bike_demand", version, FEBRUARY)

    again = compare_with_champion(settings, bike_demand, dataset, champion)
    assert (again.passed, again.champion_error) == (True, again.challenger_error)

    worse = train_on_shuffled_labels(settings, bike_demand)
    decision = compare_with_champion(settings, bike_demand, dataset, worse)
    assert decision.passed is False
    assert decision.champion_error == first.challenger_error
    assert decision.challenger_error > 2 * first.challenger_error
    assert client.get_run(worse.mlflow_run_id).data.tags["cyclone.gate"] == "refused"
    told = execute(store, "SELECT run_id, is_passed, champion_version, reason FROM gate_decision ORDER BY run_id")
    assert told == [("run_1", True, version, again.reason), ("run_shuffled", False, version, decision.reason)]
    with pytest.raises(ReleaseError, match="cannot be registered, because the gate refused it"):
        register_challenger(settings, bike_demand, worse, decision)
    assert [item.version for item in client.search_model_versions("name = 'bike_demand'")] == [version]


def test_a_gate_leaves_out_rows_that_the_champion_was_trained_on(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    """The champion was kept from five days; then more are asked for, and then days that it knows alone."""
    dataset = make_dataset(settings, bike_demand)
    champion = train_challenger(settings, bike_demand, dataset, "run_1")
    version = register_challenger(settings, bike_demand, champion, PASSED).version
    record_champion(store, "bike_demand", version, FEBRUARY)

    longer = bike_demand.model_copy(update={"retrain": bike_demand.retrain.model_copy(update={"holdout_days": 9})})
    decision = compare_with_champion(settings, longer, dataset, champion)
    assert (decision.rows, decision.days) == (101, 5)

    known = build_dataset(settings, bike_demand, "run_2", datetime(2011, 1, 27, tzinfo=UTC))
    challenger = train_challenger(settings, bike_demand, known, "run_2")
    refused = compare_with_champion(settings, bike_demand, known, challenger)
    assert (refused.passed, refused.champion_error, refused.days) == (False, None, 0)
    assert refused.reason == (
        f"the champion, version {version}, was trained on all rows up to 2011-01-26 17:00. The dataset has no"
        " later row, so nothing is left on which both can be compared. Retrain when labels of later rows have come"
    )
    told = execute(store, "SELECT is_passed, champion_version, reason FROM gate_decision WHERE run_id = 'run_2'")
    assert told == [(False, version, refused.reason)]


def train_on_shuffled_labels(settings: Settings, spec: ModelSpec) -> Challenger:
    dataset = make_dataset(settings, spec, "run_shuffled")
    frame = read_dataset(spec, dataset)
    frame["label"] = frame["label"].sample(frac=1, random_state=1).to_numpy()
    return train_challenger(settings, spec, rewrite(dataset, frame), "run_shuffled")


def test_a_version_is_registered_once_with_its_reference_profile(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    challenger = train_challenger(settings, bike_demand, make_dataset(settings, bike_demand), "run_1")
    registered = register_challenger(settings, bike_demand, challenger, PASSED)
    assert registered.version == 1
    assert register_challenger(settings, bike_demand, challenger, PASSED) == registered
    client = connect(settings)
    assert client.get_model_version_by_alias("bike_demand", CHALLENGER).run_id == challenger.mlflow_run_id
    profile = execute(store, "SELECT version, metric, accepted_error, sample_size FROM reference_profile")
    assert profile == [(1, "mean_absolute_error", challenger.accepted_error, 587)]
    counted = execute(
        store,
        "SELECT feature, sum(count)::integer, count(*), bool_and(is_calendar) FROM reference_bin"
        " WHERE feature IN ('hour', 'weather', 'prediction', 'workingday') GROUP BY feature ORDER BY feature",
    )
    assert counted == [
        ("hour", 587, 18, True),
        ("prediction", 587, 17, False),
        ("weather", 587, 5, False),
        ("workingday", 587, 3, True),
    ]
    errors = dict(execute(store, "SELECT metric, value FROM reference_error"))
    assert errors.pop("mean_absolute_error") == challenger.accepted_error
    assert set(errors) == {"root_mean_squared_error", "weighted_absolute_percentage_error"}
    nulls = execute(store, "SELECT DISTINCT subject FROM reference_null WHERE check_name = 'jensen_shannon'")
    assert sorted(nulls) == [("humidity",), ("prediction",), ("temperature",), ("weather",), ("wind",)]


def test_a_version_that_the_store_knows_of_another_run_gets_no_profile(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    """As when another MLflow gave the same number in the moment between the look and the note."""
    challenger = train_challenger(settings, bike_demand, make_dataset(settings, bike_demand), "run_1")
    profile = "INSERT INTO reference_profile VALUES ('bike_demand', 1, 'other', 'mean_absolute_error', 1, 1, now())"
    execute(store, profile)
    words = rf"knows version 1 of MLflow run other, so it is not of {challenger.mlflow_run_id}\. Clear the task"
    with pytest.raises(ReleaseError, match=words):
        _store_profile(settings, bike_demand, challenger, 1)
    assert execute(store, "SELECT count(*)::integer FROM reference_bin") == [(0,)]


def test_an_image_is_built_once_and_its_digest_follows_its_content(
    settings: Settings, bike_demand: ModelSpec, january: int, bento_home: Path
) -> None:
    challenger = train_challenger(settings, bike_demand, make_dataset(settings, bike_demand), "run_1")
    version = register_challenger(settings, bike_demand, challenger, PASSED).version
    image = build_image(settings, bike_demand, version)
    assert image.reference == "bike_demand:v1"
    source = bento_home / "bentos" / "bike_demand" / "v1" / "src"
    built_at = (source / "release.json").stat().st_mtime_ns
    assert json.loads((source / "release.json").read_text()) == {
        "model": "bike_demand",
        "version": 1,
        "mlflow_run_id": challenger.mlflow_run_id,
        "trusted_types": list(KNOWN_TYPES),
    }
    assert not (source / "models" / "bike_demand" / "data").exists()
    compiled = [path.name for path in source.glob("bento_service/__pycache__/service.*.pyc")]
    assert compiled == [f"service.{sys.implementation.cache_tag}.pyc"]
    assert build_image(settings, bike_demand, version) == image
    assert (source / "release.json").stat().st_mtime_ns == built_at

    bundle = stage_bundle(settings, bike_demand, version)
    assert compute_digest(bundle) == image.digest
    (bundle / "release.json").write_text("{}")
    assert compute_digest(bundle) != image.digest


def test_an_image_of_another_model_under_the_same_tag_is_not_taken(
    settings: Settings, bike_demand: ModelSpec, january: int, bento_home: Path
) -> None:
    challenger = train_challenger(settings, bike_demand, make_dataset(settings, bike_demand), "run_1")
    version = register_challenger(settings, bike_demand, challenger, PASSED).version
    build_image(settings, bike_demand, version)
    release = bento_home / "bentos" / "bike_demand" / "v1" / "src" / "release.json"
    release.write_text(release.read_text().replace(challenger.mlflow_run_id, "another"))
    with pytest.raises(ReleaseError, match="bike_demand:v1 holds the model of MLflow run another"):
        build_image(settings, bike_demand, version)


def test_who_writes_to_mlflow_does_not_decide_what_a_service_executes(
    settings: Settings, bike_demand: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow is told that the type is trusted, as somebody could tell it who may write there."""
    monkeypatch.chdir(tmp_path)  # where MLflow keeps files that belong to no experiment of ours
    kind = "subprocess.getoutput"
    connect(settings)
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(
            FunctionTransformer(subprocess.getoutput),
            name="model",
            serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS,
            skops_trusted_types=[kind],
            pip_requirements=["scikit-learn", "skops"],
        )
    stored = fetch_model(settings, bike_demand, logged.model_uri, tmp_path)
    with pytest.raises(DataError, match=r"a type that model\.yaml does not list under trusted_types.*getoutput"):
        stored.load()
    reviewed = bike_demand.model_copy(update={"trusted_types": (kind,)})
    assert fetch_model(settings, reviewed, logged.model_uri, tmp_path).load().func is subprocess.getoutput


def test_training_names_the_types_that_nobody_has_reviewed(bike_demand: ModelSpec) -> None:
    kind = "subprocess.getoutput"
    estimator = FunctionTransformer(subprocess.getoutput)
    with pytest.raises(DataError, match=rf"add a line to model\.yaml: trusted_types: \[{kind}\]$"):
        require_trusted(bike_demand, estimator)
    assert require_trusted(bike_demand.model_copy(update={"trusted_types": (kind,)}), estimator) == [kind]
