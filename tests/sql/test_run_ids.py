"""Two models whose Airflow runs have one id: an id is unique in its DAG, and each model has a DAG of its own."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cyclone.differences import Difference
from cyclone.errors import ReleaseError
from cyclone.lineage.explain import explain
from cyclone.places import find_shipped
from cyclone.policy.incidents import finish_retraining, join_incident, note_failure, start_retraining
from cyclone.record_comparison import note_comparison, read_differences
from cyclone.releases import create_candidate, promote_release, release_of_run, retire_releases
from cyclone.settings import Settings
from cyclone.store import Store
from tests.support.statements import execute
from training.data.dataset import find_run_folder
from training.tracking.runs import read_request

RUN = "manual__2026-11-30T00:00:00+00:00"
NOW = datetime(2026, 11, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
MODELS = ("bike_demand", "iris")


@pytest.fixture
def twins(store: Store) -> Store:
    """Both models retrain in a run of the same id, and each has a dataset, a gate and a version of its own."""
    for number, model in enumerate(MODELS, start=1):
        incident = join_incident(store, model, RUN, NOW, f"asked for {model}", {"asked_by": model})
        start_retraining(store, RUN, model, incident.incident_id, NOW, cost=number)
        bounds = {"since": "-infinity", "first_created_at": NOW, "last_created_at": NOW}
        store.run(
            "policy/dataset_record",
            model=model,
            run_id=RUN,
            as_of=NOW,
            row_count=number,
            query_sha256="q",
            **{**bounds, "fingerprint": f"of {model}"},
        )
        store.run(
            "policy/gate_record",
            model=model,
            run_id=RUN,
            mlflow_run_id=f"mlflow {model}",
            is_passed=True,
            champion_version=None,
            champion_error=None,
            challenger_error=number,
            ratio_lower=None,
            ratio_upper=None,
            rule="refute",
            margin=0.02,
            slice_margin=0.1,
            row_count=number,
            day_count=number,
            slices="{}",
            unjudged="{}",
            reason=f"gate of {model}",
        )
        store.run(
            "training/profile_insert",
            model=model,
            version=1,
            mlflow_run_id=f"mlflow {model}",
            metric="error",
            accepted_error=1.0,
            sample_size=number,
            created_at=NOW,
        )
    return store


def release(store: Store, model: str) -> None:
    made = create_candidate(store, model, 1, f"{model}-v1", "image", "sha256:1", RUN, NOW)
    promote_release(store, made, NOW)


def test_both_are_told_with_what_is_their_own(twins: Store) -> None:
    for model in MODELS:
        release(twins, model)
    for number, model in enumerate(MODELS, start=1):
        told = explain(twins, MODELS, f"{model}:v1")
        assert told.dataset is not None
        assert told.gate is not None
        assert told.retraining is not None
        assert told.incident is not None
        assert (told.dataset["fingerprint"], told.gate["reason"]) == (f"of {model}", f"gate of {model}")
        assert (told.retraining["cost"], told.incident["model"]) == (number, model)
        assert [item["model"] for item in told.releases] == [model]
        assert explain(twins, MODELS, f"incident {told.incident['incident_id']}").dataset == told.dataset
        tags = read_request(Settings(store_dsn=twins.dsn), model, RUN)
        assert tags["cyclone.incident.reason"] == f"asked for {model}"
        (evidence,) = twins.fetch("lineage/evidence", model=model)
        assert (evidence["run_id"], evidence["revision"]) == (RUN, f"{model}-v1")


def test_each_fails_goes_on_and_ends_for_itself(twins: Store) -> None:
    note_failure(twins, "iris", RUN, "iris: no rows")
    assert finish_retraining(twins, "bike_demand", RUN, NOW, "failed", "killed", None) == ("failed", "killed")
    assert finish_retraining(twins, "iris", RUN, NOW, "failed", "killed", None) == ("failed", "iris: no rows")
    start_retraining(twins, RUN, "iris", 2, NOW + HOUR)
    assert execute(twins, "SELECT model FROM retraining WHERE finished_at IS NULL") == [("iris",)]


def test_a_promotion_and_a_retirement_are_of_one_model(twins: Store) -> None:
    release(twins, "iris")
    assert release_of_run(twins, "bike_demand", RUN) is None
    finish_retraining(twins, "bike_demand", RUN, NOW, "failed", "killed", None)
    ended = twins.fetch("policy/retrainings", model="bike_demand", before=NOW + HOUR, newest=2)
    assert [row["outcome"] for row in ended] == ["failed"]
    retire_releases(twins, "iris", NOW, "ada", "it is not needed")
    create_candidate(twins, "bike_demand", 1, "bike-demand-v1", "image", "sha256:1", RUN, NOW)


def test_their_files_are_in_folders_of_their_own(tmp_path: Path) -> None:
    assert len({find_run_folder(Settings(work_dir=tmp_path), model, RUN) for model in MODELS}) == len(MODELS)


def test_no_key_has_a_run_without_its_model(store: Store) -> None:
    keys = execute(
        store,
        "SELECT pg_index.indrelid::regclass::text,"
        " array_agg(pg_attribute.attname::text ORDER BY pg_attribute.attnum) FROM pg_index"
        " JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)"
        " WHERE indisunique AND indrelid::regclass::text NOT LIKE 'pg_%%' GROUP BY indexrelid, indrelid",
    )
    by_run = [(table, columns) for table, columns in keys if "run_id" in columns]
    assert len(by_run) >= 7
    assert [(table, columns) for table, columns in by_run if "model" not in columns] == []


def test_no_statement_asks_for_a_run_without_its_model() -> None:
    paths = [path for path in find_shipped("sql").rglob("*.sql") if "migrations" not in path.parts]
    asking = {path: path.read_text() for path in paths if re.search(r"(?<!mlflow_)run_id = [%a-z]", path.read_text())}
    assert len(asking) >= 10
    forgetful = [path.name for path, text in asking.items() if not re.search(r"model(\)s::text IS NULL| = )", text)]
    assert forgetful == []


def test_a_run_that_brings_another_image_of_its_version_is_told_so(twins: Store) -> None:
    release(twins, "iris")
    with pytest.raises(ReleaseError, match=r"has deployed version 1 already, of the image sha256:1, and now brings"):
        create_candidate(twins, "iris", 1, "iris-v1", "image", "sha256:2", RUN, NOW)


def test_a_cleared_monitor_run_keeps_what_it_finds_then(store: Store) -> None:
    astray = [Difference("traffic", "v1 100 %", "v2 100 %")]
    for differences, is_mended in ((astray, False), (astray, False), (astray, True), ([], False)):
        note_comparison(store, "iris", RUN, NOW, differences, is_mended)
    note_comparison(store, "bike_demand", RUN, NOW, astray, is_mended=False)
    assert execute(store, "SELECT count(*)::integer FROM release_comparison") == [(4,)]
    assert read_differences(store, "iris", NOW) == []
    assert read_differences(store, "bike_demand", NOW) == astray
    assert [row["event"] for row in store.fetch("lineage/timeline", model="iris")] == ["reconciled"]
