"""Great Expectations holds January to model.yaml and to the model's own expectations, before anything is trained."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cyclone.errors import ConfigurationError, DataError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.data.dataset import Dataset, build_dataset, read_dataset
from training.fit.train import train_challenger
from training.tracking.client import connect
from training.validation import ValidationReport, check_report, list_assertions, validate_dataset

FEBRUARY = datetime(2011, 2, 2, tzinfo=UTC)
OWN = """
import great_expectations.expectations as gxe


def extend_suite(suite):
    suite.add_expectation(gxe.ExpectColumnMeanToBeBetween(column="temperature", min_value=0.1, max_value=0.3))
    suite.add_expectation(
        gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="label", column_B="hour", severity="warning")
    )
"""


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a models' folder that a test may change."""
    shutil.copytree(
        settings.models_dir / "bike_demand", tmp_path / "models" / "bike_demand", ignore=shutil.ignore_patterns("data")
    )
    return settings.model_copy(update={"models_dir": tmp_path / "models"})


@pytest.fixture
def dataset(settings: Settings, bike_demand: ModelSpec, january: int) -> Dataset:
    return build_dataset(settings, bike_demand, "run_1", FEBRUARY)


def extend(settings: Settings, text: str) -> None:
    (settings.models_dir / "bike_demand" / "expectations.py").write_text(text)


def spoil(spec: ModelSpec, dataset: Dataset) -> Dataset:
    frame: pd.DataFrame = read_dataset(spec, dataset)
    frame.loc[3, "temperature"] = 1.5
    frame.loc[4, "weather"] = "hail"
    frame["id"] = frame["id"].replace("history-2011-01-01T06:00:00Z", "history-2011-01-01T05:00:00Z")
    frame.to_parquet(dataset.path, index=False)
    return dataset


def list_runs(settings: Settings) -> list[Any]:
    client = connect(settings)
    return list(client.search_runs([client.get_experiment_by_name("bike_demand").experiment_id]))


def test_a_good_dataset_meets_every_expectation_and_its_training_keeps_the_page(
    settings: Settings, bike_demand: ModelSpec, dataset: Dataset
) -> None:
    report = validate_dataset(settings, bike_demand, dataset, "run_1")
    (run,) = list_runs(settings)
    page = f"{run.info.artifact_uri}/data/validation.html"
    assert report == ValidationReport(success=True, expectations=30, mlflow_run_id=run.info.run_id, page=page)
    assert check_report(bike_demand, report) == report
    assert "humidity" in Path(page.removeprefix("file://")).read_text()
    assert (run.info.status, run.data.tags["cyclone.validation"]) == ("RUNNING", "passed")
    assert validate_dataset(settings, bike_demand, dataset, "run_1") == report

    challenger = train_challenger(settings, bike_demand, dataset, "run_1")
    assert [run.info.run_id for run in list_runs(settings)] == [challenger.mlflow_run_id] == [run.info.run_id]
    assert validate_dataset(settings, bike_demand, dataset, "run_1") == report


def test_invalid_rows_are_named_by_expectation_column_and_id_and_fail_the_run(
    settings: Settings, bike_demand: ModelSpec, dataset: Dataset
) -> None:
    report = validate_dataset(settings, bike_demand, spoil(bike_demand, dataset), "run_1")
    with pytest.raises(DataError) as raised:
        check_report(bike_demand, report)
    assert str(raised.value) == (
        "bike_demand: the rows do not meet 3 expectations\n"
        "expect_column_values_to_be_unique failed for id:"
        " row history-2011-01-01T05:00:00Z = 'history-2011-01-01T05:00:00Z',"
        " history-2011-01-01T05:00:00Z = 'history-2011-01-01T05:00:00Z'\n"
        "expect_column_values_to_be_in_set failed for weather"
        " (value_set ['clear', 'cloudy/misty', 'light rain/snow', 'heavy rain/snow']):"
        " row history-2011-01-01T04:00:00Z = 'hail'\n"
        "expect_column_values_to_be_between failed for temperature (min_value 0.0, max_value 1.0):"
        " row history-2011-01-01T03:00:00Z = 1.5\n"
        f"See data/validation.html of MLflow run {report.mlflow_run_id}"
    )
    (run,) = list_runs(settings)
    assert run.info.status == "FAILED"
    assert "history-2011-01-01T04:00:00Z = 'hail'" in run.data.tags["cyclone.validation"]
    page = Path(report.page.removeprefix("file://")).read_text()
    assert "hail" in page
    assert "history-2011-01-01T04:00:00Z" in page
    assert [part for part in ("://", "<script", "@import") if part in page] == []
    assert [name for _, name, success in list_assertions(dataset) if not success] == [
        "expect_column_values_to_be_unique",
        "expect_column_values_to_be_in_set",
        "expect_column_values_to_be_between",
    ]


def test_a_training_that_succeeds_at_the_second_try_keeps_the_page(
    own: Settings, bike_demand: ModelSpec, dataset: Dataset
) -> None:
    extend(own, OWN)
    report = validate_dataset(own, bike_demand, dataset, "run_1")
    pipeline = own.models_dir / "bike_demand" / "pipeline.py"
    sound = pipeline.read_text()
    pipeline.write_text('def build_estimator():\n    raise RuntimeError("out of memory")\n')
    with pytest.raises(ConfigurationError, match="line 2: RuntimeError: out of memory"):
        train_challenger(own, bike_demand, dataset, "run_1")
    pipeline.write_text(sound)
    challenger = train_challenger(own, bike_demand, dataset, "run_1")
    assert challenger.mlflow_run_id not in report.page
    client = connect(own)
    run = client.get_run(challenger.mlflow_run_id)
    assert run.data.tags["cyclone.validation"] == "passed"
    for name in ("data/validation.html", "data/validation.json", "source/expectations.py"):
        assert Path(client.download_artifacts(run.info.run_id, name)).stat().st_size > 0, name


def test_rows_that_repeat_others_are_warned_of(settings: Settings, bike_demand: ModelSpec, dataset: Dataset) -> None:
    frame = read_dataset(bike_demand, dataset)
    again = frame.head(20).assign(id=frame["id"].head(20) + "-again")
    pd.concat([frame, again]).to_parquet(dataset.path, index=False)
    report = validate_dataset(settings, bike_demand, dataset, "run_1")
    assert (report.success, report.failures) == (True, ())
    (warning,) = report.warnings
    assert warning.startswith("expect_compound_columns_to_be_unique failed for the table (column_list ['hour', ")
    assert "row history-2011-01-01T00:00:00Z (" in warning
    assert warning.endswith(" and 35 more")


def test_a_model_adds_expectations_of_which_a_warning_stops_nothing(
    own: Settings, bike_demand: ModelSpec, dataset: Dataset
) -> None:
    extend(own, OWN)
    report = validate_dataset(own, bike_demand, dataset, "run_1")
    assert (report.success, report.expectations, report.failures) == (True, 32, ())
    (warning,) = report.warnings
    assert warning.startswith(
        "expect_column_pair_values_a_to_be_greater_than_b failed for the table (column_A label, column_B hour):"
        " row history-2011-01-01T04:00:00Z (hour = 4, label = 1), history-2011-01-01T05:00:00Z (hour = 5, label = 1)"
    )
    assert ("temperature", "expect_column_mean_to_be_between", True) in list_assertions(dataset)
    assert "0.19741279" in Path(report.page.removeprefix("file://")).read_text()  # the mean that was observed


def test_an_expectation_that_the_data_does_not_meet_or_that_cannot_be_evaluated_stops(
    own: Settings, bike_demand: ModelSpec, dataset: Dataset
) -> None:
    extend(
        own,
        OWN.replace("max_value=0.3", "max_value=0.15").replace(
            'column_B="hour", severity="warning"', 'column_B="nope"'
        ),
    )
    report = validate_dataset(own, bike_demand, dataset, "run_1")
    assert report.success is False
    pair, mean = sorted(report.failures, reverse=True)
    assert mean.startswith(
        "expect_column_mean_to_be_between failed for temperature (min_value 0.1, max_value 0.15): 0."
    )
    assert pair.startswith("expect_column_pair_values_a_to_be_greater_than_b failed for the table")
    assert 'The column "nope" in BatchData does not exist' in pair


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def extend(suite): pass", r"expectations.py: extend_suite is not defined"),
        ("import nowhere", r"expectations.py, line 1: it cannot be imported: ModuleNotFoundError"),
        (
            "def extend_suite(suite): suite.add('x')",
            r"expectations.py: extend_suite\(suite\) failed with Attribute",
        ),
    ],
)
def test_expectations_that_are_no_code_of_this_kind_are_refused(
    own: Settings, bike_demand: ModelSpec, dataset: Dataset, text: str, message: str
) -> None:
    extend(own, text)
    with pytest.raises(ConfigurationError, match=message):
        validate_dataset(own, bike_demand, dataset, "run_1")
    assert json.loads((Path(dataset.path).parent / "dataset.json").read_text())["dataset"]["rows"] == 688
    assert not (Path(dataset.path).parent / "validation.html").exists()
