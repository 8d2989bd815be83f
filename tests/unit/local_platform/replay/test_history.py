"""Which rows of a history a replay sends, under which ids, and what it says when there are none."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from cyclone.errors import ConfigurationError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec, find_model
from local_platform.replay.history import cut_rows, describe_slow_canary, list_unlabelled, number_rows, read_rows

MODEL = {
    "name": "demand",
    "task": "regression",
    "features": [{"name": "hour", "type": "integer"}],
    "label": {"name": "sold", "type": "number", "expected_delay_hours": 24},
    "history": "rows.csv",
    "history_until": "1955-02-01",
}
ROWS = """created_at,hour,sold
1955-02-01T01:00:00Z,1,11
1955-02-01T00:00:00Z,0,10
1955-02-01T00:00:00.5Z,0,12
1955-02-02T00:00:00Z,0,20
1955-01-31T23:00:00Z,23,9
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(models_dir=tmp_path)


def make_model(settings: Settings, rows: str = ROWS, **changes: object) -> ModelSpec:
    folder = settings.models_dir / "demand"
    folder.mkdir()
    keys = {name: value for name, value in (MODEL | changes).items() if value is not None}
    (folder / "model.yaml").write_text(yaml.safe_dump(keys))
    (folder / "pipeline.py").write_text("def build_estimator(): ...\n")
    (folder / "rows.csv").write_text(rows)
    return find_model(settings.models_dir, "demand")


def test_rows_from_history_until_on_are_sent_by_their_times_and_those_of_one_second_by_numbers(
    settings: Settings,
) -> None:
    rows = read_rows(settings, make_model(settings))
    assert [(row.prediction_id, row.label) for row in rows] == [
        ("replay-1955-02-01T00:00:00Z", 10.0),
        ("replay-1955-02-01T00:00:00Z-2", 12.0),
        ("replay-1955-02-01T01:00:00Z", 11.0),
        ("replay-1955-02-02T00:00:00Z", 20.0),
    ]


def test_a_row_has_the_same_id_whatever_part_is_replayed(settings: Settings) -> None:
    spec = make_model(settings)
    first, end = datetime(1955, 2, 1, 0, 0, 0, 500000, UTC), datetime(1955, 2, 2, tzinfo=UTC)
    rows = cut_rows(spec, read_rows(settings, spec), first, end)
    assert [row.prediction_id for row in rows] == ["replay-1955-02-01T00:00:00Z-2", "replay-1955-02-01T01:00:00Z"]


def test_a_day_that_the_first_version_was_trained_on_is_refused(settings: Settings) -> None:
    spec = make_model(settings)
    message = r"--from 1955-01-31: the first version of demand is trained on the rows before history_until 1955-02-01"
    with pytest.raises(ConfigurationError, match=message):
        cut_rows(spec, read_rows(settings, spec), datetime(1955, 1, 31, tzinfo=UTC))


def test_a_span_without_rows_is_refused_with_the_span_that_has_some(settings: Settings) -> None:
    spec = make_model(settings)
    message = "no row from 1955-02-03 on, so there is nothing to replay. Its rows are of 1955-02-01 to 1955-02-02"
    with pytest.raises(ConfigurationError, match=message):
        cut_rows(spec, read_rows(settings, spec), datetime(1955, 2, 3, tzinfo=UTC))


def test_without_history_until_a_day_is_named_that_would_do(settings: Settings) -> None:
    days = "".join(f"1955-02-{day:02}T00:00:00Z,0,1\n" for day in range(1, 29))
    spec = make_model(settings, "created_at,hour,sold\n" + days, history_until=None)
    with pytest.raises(ConfigurationError, match=r'history_until is not set.* such as history_until: "1955-02-09"'):
        read_rows(settings, spec)


def test_a_canary_that_would_take_much_of_the_history_is_told_before(bike_demand: ModelSpec) -> None:
    start = datetime(2011, 2, 1, tzinfo=UTC)
    rows = number_rows({"created_at": start + timedelta(hours=hour), "features": {}, "label": 1} for hour in range(480))
    assert describe_slow_canary(bike_demand, rows) is None
    rules = bike_demand.release.model_copy(update={"steps": (5, 20, 50, 100), "requests_per_step": 50})
    told = describe_slow_canary(bike_demand.model_copy(update={"release": rules}), rows)
    assert told is not None
    assert told.startswith("A new version's canary needs about 1,350 requests, which are 56 days of this history.")


def test_an_interrupted_replay_posts_again_the_labels_that_may_be_missing() -> None:
    start = datetime(1955, 2, 1, tzinfo=UTC)
    hours = [{"created_at": start + timedelta(hours=hour), "features": {}, "label": hour} for hour in range(5)]
    position, delay = start + timedelta(hours=3), timedelta(hours=2)
    assert [row.label for row in list_unlabelled(number_rows(hours), position, delay)] == [1, 2]
