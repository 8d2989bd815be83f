"""What a changed configuration would have decided, and that asking changes nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from typer.testing import CliRunner

from cyclone.__main__ import app
from cyclone.checks.evaluation import evaluate_checks
from cyclone.errors import ConfigurationError
from cyclone.policy.what_if import judge_past
from cyclone.sections import CheckKind, CheckRules, Monitor
from cyclone.spec import ModelSpec
from cyclone.store import Store
from tests.support.statements import execute

MODELS = Path(__file__).resolve().parents[2] / "models"
FIRST = datetime(2011, 3, 8, tzinfo=UTC)
DAYS = 3
pytestmark = pytest.mark.usefixtures("recorded")


@pytest.fixture
def recorded(store: Store, bike_demand: ModelSpec, insert: Any, first_champion: None) -> None:
    """Three days' verdicts on errors of 15 where 10 were accepted: below the limit of 2.25 times that."""
    hours = [FIRST - timedelta(hours=hour) for hour in range(-24 * DAYS, 24 * 7 + 1)]
    sums = {"count": 1, "sum_absolute_error": 15, "sum_squared_error": 225}
    insert("error_rollup", [{"bucket_start": hour, **sums} for hour in hours])
    for day in range(DAYS):
        for kind in get_args(CheckKind):
            evaluate_checks(store, bike_demand, kind, FIRST + timedelta(days=day), f"day {day}")


def count_results(store: Store) -> int:
    ((count,),) = execute(store, "SELECT count(*) FROM check_result")
    return int(count)


def judge(store: Store, spec: ModelSpec) -> list[tuple[datetime, bool, list[str]]]:
    days = judge_past(store, spec, FIRST, FIRST + timedelta(days=DAYS - 1))
    return [(day.window_end, day.decision.should_retrain, [new.check_name for new, _ in day.changed]) for day in days]


def test_the_same_configuration_gives_the_recorded_verdicts(store: Store, bike_demand: ModelSpec) -> None:
    before = count_results(store)
    assert judge(store, bike_demand) == [(FIRST + timedelta(days=day), False, []) for day in range(DAYS)]
    assert count_results(store) == before > 0


def test_a_lower_limit_would_have_retrained_and_nothing_is_recorded(store: Store, bike_demand: ModelSpec) -> None:
    before = count_results(store)
    monitor = Monitor(error={"mean_absolute_error": CheckRules(limit=1.4)})
    retrain = bike_demand.retrain.model_copy(update={"triggered_by": ("error_checks",)})
    changed = bike_demand.model_copy(update={"monitor": monitor, "retrain": retrain})
    expected = [(FIRST + timedelta(days=day), True, ["mean_absolute_error"]) for day in range(DAYS)]
    assert judge(store, changed) == expected
    assert count_results(store) == before


def test_a_stretch_without_a_days_end_is_refused(store: Store, bike_demand: ModelSpec) -> None:
    message = "bike_demand: no day of UTC ends between 2011-03-08 01:00 and 2011-03-08 23:00: give a --from"
    with pytest.raises(ConfigurationError, match=message):
        list(judge_past(store, bike_demand, FIRST.replace(hour=1), FIRST.replace(hour=23)))


@pytest.fixture
def ask(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `cyclone monitor what-if` with some keys of model.yaml changed. Return its exit code, output and error."""

    def run(**changes: Any) -> tuple[int, str, BaseException | None]:
        config = tmp_path / "other.yaml"
        config.write_text(yaml.safe_dump(yaml.safe_load((MODELS / "bike_demand/model.yaml").read_text()) | changes))
        monkeypatch.setenv("CYCLONE_STORE_DSN", store.dsn)
        monkeypatch.setattr("cyclone.policy.commands.console.width", 200)
        arguments = ["bike_demand", "--config", str(config), "--from", "2011-03-08", "--to", "2011-03-09"]
        result = CliRunner().invoke(app, ["monitor", "what-if", *arguments])
        return result.exit_code, result.output, result.exception

    return run


def test_the_command_shows_days_decisions_and_what_differs(ask: Any) -> None:
    limits = {"error": {"mean_absolute_error": {"limit": 1.4}}}
    code, output, _ = ask(monitor=limits, retrain={"triggered_by": ["error_checks"]})
    assert code == 0
    said = "retrain: mean_absolute_error 15 over 7 days on 168 rows is above 1.4 × the accepted 10 = 14"
    assert f"2011-03-08: {said}" in output
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in output.splitlines()]
    assert cells.count(["mean_absolute_error", "all", "15", "14", "failed", "22.5", "passed"]) == 2
    assert output.endswith("2 verdicts differ from those recorded\n")


def test_another_models_configuration_is_refused(ask: Any) -> None:
    code, _, error = ask(name="other")
    assert code == 1
    assert "name 'other' must be 'bike_demand'" in str(error)
