import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from cyclone.errors import DataError
from cyclone.policy.refits import REFIT_DAYS
from cyclone.sections import ErrorTrigger, Recalibrate
from cyclone.spec import ModelSpec
from cyclone.times import count_days
from training.backtest.advice import advise, build_advice_table
from training.backtest.history import build_history, find_start
from training.backtest.matrix import Matrix
from training.backtest.picture import draw_picture
from training.backtest.replay import PolicyRule, replay_policy, run_policy
from training.backtest.report import COLUMNS, build_policy_table, build_retraining_table
from training.backtest.run import EQUAL_COUNT, compare, run_backtest
from training.backtest.schedules import build_schedules, follow_schedule
from training.backtest.walk import follow

START = 20
SHIFT_DAY = 40


class MeanOfAll:
    """Predicts the mean label of the hour in all rows that it was fitted on."""

    def fit(self, features: pd.DataFrame, labels: "pd.Series[Any]") -> "MeanOfAll":
        self.means = labels.groupby(features["hour"]).mean()
        return self

    def predict(self, features: pd.DataFrame) -> Any:
        return features["hour"].map(self.means).to_numpy()


class MeanOfHour:
    """Predicts the mean label of the hour in the rows that it was fitted on, the newest 200 of them."""

    def fit(self, features: pd.DataFrame, labels: "pd.Series[Any]") -> "MeanOfHour":
        newest = labels.tail(200)
        self.means = newest.groupby(features["hour"].tail(200)).mean()
        return self

    def predict(self, features: pd.DataFrame) -> Any:
        return features["hour"].map(self.means).to_numpy()


@pytest.fixture
def spec() -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "name": "m",
            "task": "regression",
            "features": [{"name": "hour", "type": "integer"}],
            "label": {"name": "y", "type": "number", "expected_delay_hours": 24},
            "retrain": {"minimum_rows": 50, "holdout_days": 3},
            "recalibrate": {"enabled": False},
        }
    )


def build_frame(days: int = 70, shift: float = 0.0) -> pd.DataFrame:
    """Noise of one unit around ten times the hour. From `SHIFT_DAY` on `shift` more."""
    times = pd.Series(pd.date_range("2011-01-01", periods=24 * days, freq="h", tz="UTC"))
    noise = np.random.default_rng(0).normal(0, 1, len(times))
    moved = np.where(np.arange(len(times)) >= 24 * SHIFT_DAY, shift, 0.0)
    return pd.DataFrame({"created_at": times, "hour": times.dt.hour, "label": times.dt.hour * 10 + noise + moved})


def test_a_label_is_known_a_day_late(spec: ModelSpec) -> None:
    history = build_history(spec, build_frame(5))
    assert [history.known_at(day) for day in range(4)] == [0, 0, 24, 48]
    assert history.training_rows(4) == slice(0, 72)


def test_a_world_that_does_not_change_is_left_alone(spec: ModelSpec) -> None:
    run = run_policy(build_history(spec, build_frame()), MeanOfHour, START)
    assert run.retrainings == []
    assert run.recalibrations == 0
    assert 0.8 < run.highest_ratio < 1.5
    assert np.isnan(run.losses[: 24 * START]).all()
    assert np.nanmean(run.losses) == pytest.approx(0.8, abs=0.1)


def test_a_shift_is_answered_once_its_labels_have_come(spec: ModelSpec) -> None:
    run = run_policy(build_history(spec, build_frame(shift=20)), MeanOfHour, START)
    first = run.retrainings[0]
    assert SHIFT_DAY + 2 <= first.day <= SHIFT_DAY + 7
    assert first.delay_days == first.day - SHIFT_DAY
    assert np.nanmean(run.losses[-24 * 7 :]) < 2


def test_labels_that_come_in_loads_are_known_and_answered_from_the_load_on(spec: ModelSpec) -> None:
    """Without loads, the same shift is answered on a day between two of them."""
    label = spec.label.model_copy(update={"load_every_days": 14})
    bulk = spec.model_copy(update={"label": label})
    history = build_history(bulk, build_frame(shift=20))
    assert [history.known_at(day) for day in (13, 14, 27, 28)] == [0, 24 * 13, 24 * 13, 24 * 27]
    run = run_policy(history, MeanOfHour, 28)
    first = run.retrainings[0]
    assert (first.day, first.delay_days) == (56, 56 - SHIFT_DAY)
    assert run_policy(build_history(spec, build_frame(shift=20)), MeanOfHour, 28).retrainings[0].day < 56


def test_the_delay_counts_every_day_above_the_limit_and_not_only_those_of_the_window(spec: ModelSpec) -> None:
    patient = spec.model_copy(update={"retrain": spec.retrain.model_copy(update={"cooldown_days": 35})})
    first = run_policy(build_history(patient, build_frame(shift=20)), MeanOfHour, START).retrainings[0]
    assert (first.day, first.delay_days) == (START + 35, START + 35 - SHIFT_DAY)


def test_a_shift_is_corrected_by_a_calibration_before_anything_is_retrained(spec: ModelSpec) -> None:
    frame = build_frame(shift=20)
    enabled = spec.model_copy(update={"recalibrate": spec.recalibrate.model_copy(update={"enabled": True})})
    plain = run_policy(build_history(spec, frame), MeanOfHour, START)
    corrected = run_policy(build_history(enabled, frame), MeanOfHour, START)
    assert corrected.recalibrations > 0
    weekly = spec.model_copy(update={"recalibrate": Recalibrate(every_days=7)})
    seldom = run_policy(build_history(weekly, frame), MeanOfHour, START)
    assert 0 < seldom.recalibrations < corrected.recalibrations
    assert seldom.recalibrations <= 50 / 7 + 2 * (1 + len(seldom.retrainings))
    assert np.nanmean(corrected.losses) < np.nanmean(plain.losses)


def test_the_gate_corrects_the_champion_as_it_corrects_the_challenger(spec: ModelSpec) -> None:
    """All labels are 20 higher since a day. Corrected by the other days, an old version is off by its noise alone."""
    retrain = spec.retrain.model_copy(update={"maximum_age_days": 24, "triggered_by": ("request",)})
    aged = spec.model_copy(update={"retrain": retrain, "recalibrate": Recalibrate(shrinkage_days=0)})
    history = build_history(aged, build_frame(shift=20))
    run = run_policy(history, MeanOfHour, START)
    first = run.retrainings[0]
    assert first.day == START + 24 > SHIFT_DAY
    answered = run.losses[history.rows_of(first.day - 4, first.day - 1)]  # labels come a day late
    assert float(answered.mean()) > 19
    found = re.match(r"error (\S+) against the champion's (\S+) on 72 rows of 3 days", first.gate)
    assert found is not None
    assert [float(error) for error in found.groups()] == pytest.approx([0.75, 0.75], abs=0.1)


def test_two_refused_retrainings_tell_a_person(spec: ModelSpec) -> None:
    class Worsening(MeanOfHour):
        """Learns nothing new, and less than nothing after its first fits."""

        fits = 0

        def fit(self, features: pd.DataFrame, labels: "pd.Series[Any]") -> "Worsening":
            Worsening.fits += 1
            super().fit(features, labels)
            if Worsening.fits > 6:
                self.means = self.means + np.resize([1000, -1000], len(self.means))  # no calibration mends that
            return self

    run = run_policy(build_history(spec, build_frame(shift=20)), Worsening, START)
    assert [item.is_promoted for item in run.retrainings] == [False, False]
    assert [item.is_false for item in run.retrainings] == [True, True]
    assert "the last 2 brought no gain" in run.holds[0][1]


def test_days_are_shuffled_whole_and_keep_their_rows(spec: ModelSpec) -> None:
    history = build_history(spec, build_frame(30))
    world = history.shuffle_days(1)
    assert list(world.features["hour"]) == list(history.features["hour"])
    assert world.created_at.is_monotonic_increasing
    assert sorted(world.numbers) == sorted(history.numbers)
    assert list(world.numbers) != list(history.numbers)


def test_a_world_of_working_days_keeps_its_weekends_and_is_replayed_as_long(spec: ModelSpec) -> None:
    frame = build_frame()
    history = build_history(spec, frame[frame["created_at"].dt.day_of_week < 5])
    world = history.shuffle_days(1)
    assert list(np.unique(world.days)) == list(np.unique(history.days))
    assert set(world.created_at.dt.day_of_week) == {0, 1, 2, 3, 4}
    assert list(world.numbers) != list(history.numbers)
    replayed = [int((~np.isnan(run_policy(item, MeanOfHour, START).losses)).sum()) for item in (history, world)]
    assert replayed[0] == replayed[1] == 24 * 35


def test_a_retraining_in_a_gap_is_measured_on_the_days_after_it(spec: ModelSpec) -> None:
    retrain = spec.retrain.model_copy(update={"maximum_age_days": 24, "triggered_by": ("request",)})
    frame = build_frame(shift=20)
    day = np.arange(len(frame)) // 24
    gap = frame[(day < START + 24) | (day >= START + 36)]
    history = build_history(spec.model_copy(update={"retrain": retrain}), gap)
    first = run_policy(history, MeanOfHour, START).retrainings[0]
    assert (first.day, first.is_promoted) == (START + 24, True)
    assert first.gain == pytest.approx(0, abs=0.1)  # it knows no more of the shift than the version before


def test_schedules_retrain_on_their_days_and_are_scored_on_all_rows(spec: ModelSpec) -> None:
    history = build_history(spec, build_frame(shift=20))
    matrix = Matrix(history, MeanOfHour)
    schedules = {item.name: item for item in build_schedules(history, START)}
    assert schedules["never"].days == ()
    assert [history.time_of(day).day for day in schedules["monthly"].days] == [1, 1]
    assert schedules["weekly"].days[:2] == (27, 34)
    assert len(schedules["daily"].days) == 49
    never, weekly = (follow_schedule(matrix, START, schedules[name]) for name in ("never", "weekly"))
    assert [item.day for item in weekly.retrainings] == list(schedules["weekly"].days)
    assert int((~np.isnan(weekly.losses)).sum()) == 24 * 50
    assert weekly.error < never.error


def test_a_policy_stands_beside_its_peers_in_tables_and_in_a_picture(spec: ModelSpec, tmp_path: Path) -> None:
    retrain = spec.retrain.model_copy(update={"triggered_by": ("error", "drift")})
    named = spec.model_copy(update={"retrain": retrain, "recalibrate": Recalibrate()})
    history = build_history(named, build_frame(shift=20))
    matrix = Matrix(history, MeanOfHour)
    compared = compare(matrix, START, build_schedules(history, START), replay_policy(matrix, START))
    result = replace(compared, stationary=[0, 1])
    assert len(result.peers[EQUAL_COUNT].retrainings) == len(result.policy.retrainings) > 0
    assert result.peers["never"].error < result.peers["never, raw"].error
    assert result.peers["never, raw"].recalibrations == 0
    assert result.stationary_triggers_per_year == pytest.approx(0.5 * 365 / 50)
    with (tmp_path / "out").open("w") as file:
        console = Console(width=200, record=True, file=file)
        console.print(build_policy_table(result), build_retraining_table(result))
    text = console.export_text()
    assert [f"{heading}: {meaning}" in text for heading, meaning in COLUMNS.items()] == [True] * len(COLUMNS)
    assert "worlds of the same days in random order: 3.65 triggers a year" in text
    assert "Not replayed: failed checks of kind drift (triggered_by)" in text
    assert "promoted" in text
    draw_picture(result, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_a_peer_without_any_error_has_no_percentages(spec: ModelSpec, tmp_path: Path) -> None:
    asked = spec.model_copy(update={"retrain": spec.retrain.model_copy(update={"triggered_by": ("request",)})})
    history = build_history(asked, build_frame())
    matrix = Matrix(history, MeanOfHour)
    result = compare(matrix, START, build_schedules(history, START)[1:2], replay_policy(matrix, START))
    weekly = replace(result.policy, losses=np.zeros(len(history.days)))
    with (tmp_path / "out").open("w") as file:
        console = Console(width=200, record=True, file=file)
        console.print(build_policy_table(replace(result, peers={"weekly": weekly})))
    text = console.export_text()
    assert "%" not in text
    assert "Not replayed" not in text


def test_a_start_outside_the_history_is_refused(spec: ModelSpec) -> None:
    history = build_history(spec, build_frame(5))
    assert find_start(history, datetime(2011, 1, 3, tzinfo=UTC)) == 2
    with pytest.raises(DataError, match=r"2011-02-01 is no start for a replay\. Choose a --from after 2011-01-01, "):
        find_start(history, datetime(2011, 2, 1, tzinfo=UTC))
    with pytest.raises(DataError, match="there is no labelled row to replay"):
        build_history(spec, build_frame(1).head(0))


def test_too_few_rows_to_begin_with_are_counted(spec: ModelSpec) -> None:
    history = build_history(spec, build_frame())
    words = r"24 labelled rows of 1 days are left to train on at 2011-01-06, .*50 rows .retrain.minimum_rows. .* --from"
    with pytest.raises(DataError, match=words):
        run_policy(history, MeanOfHour, 5)
    with pytest.raises(DataError, match=r"0 labelled rows of 0 days are left to train on at 2011-01-02"):
        run_backtest(history, MeanOfHour, 1, 0, lambda *_: None)


def test_a_refit_shows_what_the_limit_does_not_see(spec: ModelSpec) -> None:
    """A level that rises slowly: no day is twice the accepted error for long, and a retraining is worth its price."""
    frame = build_frame()
    rising = frame.assign(label=frame["label"] + 0.05 * np.arange(len(frame)) / 24)
    patient = spec.retrain.model_copy(update={"error": ErrorTrigger(limit=50)})
    history = build_history(spec.model_copy(update={"retrain": patient}), rising)
    run = run_policy(history, MeanOfHour, START)
    assert run.retrainings
    assert all("days of accepted mean_absolute_error to refits" in made.reason for made in run.retrainings)
    blind = patient.model_copy(update={"triggered_by": ("error",)})
    left = run_policy(build_history(spec.model_copy(update={"retrain": blind}), rising), MeanOfHour, START)
    assert left.retrainings == []
    assert run.error < 0.8 * left.error


def test_refits_are_scored_once_all_their_labels_are_known(spec: ModelSpec) -> None:
    history = build_history(spec, build_frame())
    rule = PolicyRule(Matrix(history, MeanOfHour))
    run = follow(rule.matrix, START, rule)
    days = [count_days(day.start) - count_days(history.first_day) for day in rule.refits.days]
    assert days == list(range(START, days[-1] + 1))
    # The stretch that ends last has all its labels a day later, at the end of the history.
    assert (count_days(history.first_day) + days[-1] + 1) % REFIT_DAYS == 0
    assert history.day_count - 1 - REFIT_DAYS <= days[-1] + 2 <= history.day_count - 1 + 1
    scored = rule.refits.days[0]
    rows = history.rows_of(START, START + 1)
    assert scored.error == pytest.approx(float(run.losses[rows].mean()))


def test_a_shorter_window_is_trained_on_where_refits_show_that_it_is_better(spec: ModelSpec) -> None:
    """What hours mean changes at a stroke. All days are mostly of before."""
    frame = build_frame(200)
    hour = frame["hour"].where(frame.index < 24 * 100, 23 - frame["hour"])
    history = build_history(spec, frame.assign(label=10.0 * hour))
    matrix = Matrix(history, MeanOfAll)
    run = replay_policy(matrix, 95)
    month = matrix.of_window(28)
    assert month is not matrix
    assert any(made.day in month.versions for made in run.retrainings)
    fixed = spec.model_copy(update={"retrain": spec.retrain.model_copy(update={"window_days": None})})
    assert run.error < replay_policy(Matrix(build_history(fixed, frame.assign(label=10.0 * hour)), MeanOfAll), 95).error


def test_advice_names_what_costs_least(spec: ModelSpec) -> None:
    frame = build_frame()
    rising = frame.assign(label=frame["label"] + 0.3 * np.arange(len(frame)) / 24)
    dear = spec.retrain.model_copy(update={"cost_days": 100.0, "error": ErrorTrigger(limit=50)})
    matrix = Matrix(build_history(spec.model_copy(update={"retrain": dear}), rising), MeanOfHour)
    advice = advise(matrix, START)
    assert (advice.present.cost_days, advice.present.window_days) == (100.0, "auto")
    assert len(advice.others) == 10
    assert all(trial.cost >= advice.best.cost for trial in (advice.present, *advice.others))
    table = build_advice_table(advice)
    assert table.row_count == 11
    assert str(table.caption).startswith("Advice: ")
