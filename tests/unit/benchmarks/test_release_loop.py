"""The benchmark from alarm to answer meets an alarm, in the demo's world and in the small one."""

from datetime import timedelta
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from benchmarks.small_world import MODEL, make_small_world
from cyclone.places import REPOSITORY
from cyclone.settings import Settings
from cyclone.spec import load_model_spec
from tests.claims.commands import list_commands
from training.backtest.commands import EstimatorOf
from training.backtest.history import build_history, cut_history, find_start
from training.backtest.replay import run_policy
from training.backtest.walk import Retraining
from training.data.history import parse_time, read_history_frame

SMALL_DAYS = 7
REAL_DAYS = 25
"""Enough of them for the demo's first alarm, and fewer than it takes."""


def replay_demo(models: Path, days: int) -> tuple[int, list[Retraining]]:
    """Replay the model's policy for so many days: the first day, and the retrainings."""
    settings = Settings(models_dir=models)
    spec = load_model_spec(models / MODEL)
    begin = parse_time(spec.history_until or "")
    history = build_history(spec, cut_history(read_history_frame(spec, models / MODEL), begin + timedelta(days=days)))
    start = find_start(history, begin)
    with threadpool_limits(1):  # threads of a fit this small wait for each other
        return start, run_policy(history, EstimatorOf(settings, spec), start).retrainings


@pytest.fixture
def default_days() -> int:
    """How many days `cyclone demo` takes unless told, which is what the benchmark has at most."""
    (days,) = (item for item in dict(list_commands())["demo"].params if item.name == "days")
    return int(days.default)


def test_the_demo_meets_an_alarm_within_its_days(default_days: int) -> None:
    assert default_days > REAL_DAYS
    start, retrainings = replay_demo(REPOSITORY / "models", REAL_DAYS)
    assert [item.is_promoted for item in retrainings[:1]] == [True]
    assert retrainings[0].day - start > SMALL_DAYS  # why a small run has a world of its own


def test_the_small_world_meets_one_within_a_week(tmp_path: Path) -> None:
    _, retrainings = replay_demo(make_small_world(tmp_path), SMALL_DAYS)
    assert [item.is_promoted for item in retrainings] == [True]
    assert retrainings[0].reason.startswith("a typical day's mean_absolute_error")
