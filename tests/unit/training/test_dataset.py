from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from cyclone.errors import ConfigurationError, DataError
from cyclone.settings import Settings
from training.dataset import compute_fingerprint, find_run_folder, split_newest_days

ROWS = [{"id": "a", "created_at": datetime(2011, 1, 1, tzinfo=UTC), "input": {"x": 1, "y": 2}, "label": 3}]
BOUNDS = {"model": "m", "as_of": "2011-02-01T00:00:00+00:00", "since": "-infinity"}


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


def test_a_fingerprint_follows_content_and_bounds_but_not_the_order_of_keys() -> None:
    first = compute_fingerprint(ROWS, BOUNDS)
    assert compute_fingerprint([{**ROWS[0], "input": {"y": 2, "x": 1}}], BOUNDS) == first
    assert compute_fingerprint([{**ROWS[0], "label": 4}], BOUNDS) != first
    assert compute_fingerprint(ROWS, {**BOUNDS, "since": "2011-01-01T00:00:00+00:00"}) != first


@pytest.mark.parametrize("run_id", ["", "..", "../elsewhere", "a/b", "a b"])
def test_a_run_id_that_is_no_folder_name_is_refused(tmp_path: Path, run_id: str) -> None:
    settings = Settings(work_dir=tmp_path)
    with pytest.raises(ConfigurationError, match="allowed are letters, digits"):
        find_run_folder(settings, run_id)
    assert list(tmp_path.iterdir()) == []


def test_an_airflow_run_id_is_a_folder_name(tmp_path: Path) -> None:
    folder = find_run_folder(Settings(work_dir=tmp_path), "manual__2011-03-01T00:00:00.5+00:00")
    assert folder == tmp_path / "retrainings" / "manual__2011-03-01T00:00:00.5+00:00"
