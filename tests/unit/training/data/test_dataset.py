import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from cyclone.errors import ConfigurationError, DataError
from cyclone.sections import Feature, Label
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.data.dataset import check_rows, find_leaks, find_run_folder, split_newest_days

SPEC = ModelSpec(
    name="m",
    task="regression",
    features=(Feature(name="x", type="number"),),
    label=Label(name="y", type="number", expected_delay_hours=0),
)


def build_hours(first: str, count: int) -> pd.DataFrame:
    return pd.DataFrame({"created_at": pd.date_range(first, periods=count, freq="h", tz="UTC")})


def test_the_newest_days_are_whole_days_counted_where_there_are_rows() -> None:
    frame = pd.concat([build_hours("2011-01-01", 24), build_hours("2011-01-05", 24), build_hours("2011-01-08", 6)])
    older, newest = split_newest_days(frame, days=2)
    assert (len(older), len(newest)) == (24, 30)
    assert newest["created_at"].min() == pd.Timestamp("2011-01-05", tz="UTC")


def test_too_few_days_to_keep_any_from_training_are_counted() -> None:
    with pytest.raises(DataError, match=r"rows lie on 2 days and retrain.holdout_days keeps the newest 2"):
        split_newest_days(build_hours("2011-01-01", 48), days=2)


@pytest.mark.parametrize(
    ("column", "leaks"),
    [
        ([1.0, 3.0, 2.0, 4.0, 3.0], True),
        ([10.0, 6.0, 8.0, 4.0, 6.0], True),
        ([0.0, 1.1, 0.7, 1.4, 1.1], True),
        ([1.0, 9.0, 4.0, 16.0, 9.0], True),
        ([1.0, 9.0, 4.0, 16.0, 8.0], False),
        ([4.0, 9.0, 4.0, 16.0, 9.0], False),
        ([1.0, 3.0, 2.0, -9.0, 3.0], False),
        ([5.0] * 5, False),
    ],
)
def test_a_feature_that_is_the_label_in_other_units_or_on_another_scale_is_found(
    column: list[float], leaks: bool
) -> None:
    frame = pd.DataFrame({"x": column, "label": [1.0, 3.0, 2.0, 4.0, 3.0]})
    assert find_leaks(SPEC, frame) == (["x"] if leaks else [])


def build_labelled(task: str, labels: list[object]) -> tuple[ModelSpec, pd.DataFrame]:
    """Ten days of two rows each."""
    kinds = {"type": "boolean"} if task == "binary" else {"type": "category", "values": ["a", "b", "c"]}
    spec = ModelSpec.model_validate(
        {
            "name": "m",
            "task": task,
            "features": [{"name": "x", "type": "number"}],
            "label": {"name": "y", "expected_delay_hours": 0, **kinds},
            "retrain": {"minimum_rows": 20},
        }
    )
    frame = pd.DataFrame({"created_at": pd.date_range("2011-01-01", periods=20, freq="12h", tz="UTC")})
    frame["x"] = range(20)
    frame["label"] = pd.Series(labels)
    return spec, frame


@pytest.mark.parametrize(
    ("task", "labels", "message"),
    [
        ("binary", [True] * 20, "m: all 20 rows have the label true, so nothing can be learned"),
        (
            "binary",
            [True] * 10 + [False] * 10,
            "m: the 10 rows before the newest 5 days have the label true, so nothing can be learned",
        ),
        ("multiclass", ["a", "b"] * 10, "m: none of all 20 rows has the label 'c', so nothing can be learned of it"),
        (
            "multiclass",
            ["a", "b"] * 5 + ["c"] * 10,
            "m: none of the 10 rows before the newest 5 days has the label 'c', so nothing can be learned of it",
        ),
    ],
)
def test_a_class_without_rows_is_refused_with_the_reason(task: str, labels: list[object], message: str) -> None:
    spec, frame = build_labelled(task, labels)
    with pytest.raises(DataError) as raised:
        check_rows(spec, frame, datetime(2011, 1, 11, tzinfo=UTC))
    assert str(raised.value).startswith(f"{message}. Wait for ")


@pytest.mark.parametrize(("task", "rare", "usual"), [("binary", True, False), ("multiclass", "c", None)])
def test_a_class_whose_rows_all_lie_in_one_fold_is_refused_before_anything_is_trained(
    task: str, rare: bool | str, usual: object
) -> None:
    """Its sibling is trained on the other folds, and would not know it. Two days of two folds are enough."""
    labels = [usual] * 20 if task == "binary" else ["a", "b"] * 10
    spec, frame = build_labelled(task, [*labels[:6], rare, rare, *labels[8:]])
    spec = spec.model_copy(update={"retrain": spec.retrain.model_copy(update={"minimum_rows": 10})})
    words = rf"m: all 2 training rows with the label {json.dumps(rare)} lie on 1 day of fold 1 of 5\. The sibling"
    with pytest.raises(DataError, match=words):
        check_rows(spec, frame, datetime(2011, 1, 11, tzinfo=UTC))
    frame.loc[2, "label"] = rare
    frame["x"] = 1.0
    check_rows(spec, frame, datetime(2011, 1, 11, tzinfo=UTC))


def test_the_fewest_rows_are_counted_without_the_hold_out() -> None:
    spec, frame = build_labelled("binary", [True, False] * 10)
    with pytest.raises(DataError, match=r"10 of 20 labelled rows lie before the newest 5 days.* needs 20 there"):
        check_rows(spec, frame, datetime(2011, 1, 11, tzinfo=UTC))


@pytest.mark.parametrize(
    ("column", "leaks"),
    [
        (["ill", "ill", "well", "well"], True),
        ([1, 1, 0, 0], True),
        ([None, "ill", "well", None], True),
        (["ill", "well", "well", "well"], False),
        (["a", "b", "c", "d"], False),
        (["ill", "ill", None, None], False),
        (["a", "a", "a", "a"], False),
    ],
)
def test_a_feature_that_names_the_class_is_found(column: list[object], leaks: bool) -> None:
    binary = SPEC.model_copy(update={"task": "binary", "features": (Feature(name="x", type="text"),)})
    frame = pd.DataFrame({"x": pd.Series(column, dtype="object"), "label": [True, True, False, False]})
    assert find_leaks(binary, frame) == (["x"] if leaks else [])


@pytest.mark.parametrize("run_id", ["", "..", "../elsewhere", "a/b", "a b"])
def test_a_run_id_that_is_no_folder_name_is_refused(tmp_path: Path, run_id: str) -> None:
    settings = Settings(work_dir=tmp_path)
    with pytest.raises(ConfigurationError, match="Allowed are letters, digits"):
        find_run_folder(settings, "m", run_id)
    assert list(tmp_path.iterdir()) == []


def test_an_airflow_run_id_is_a_folder_name(tmp_path: Path) -> None:
    folder = find_run_folder(Settings(work_dir=tmp_path), "m", "manual__2011-03-01T00:00:00.5+00:00")
    assert folder == tmp_path / "retrainings" / "m" / "manual__2011-03-01T00:00:00.5+00:00"
