import doctest
from typing import Any

import numpy as np
import pytest

import cyclone.calibration.fitting
from cyclone.calibration.correction import Calibration
from cyclone.calibration.fitting import (
    LabelledDays,
    answer_other_days,
    choose_calibration,
    choose_method,
    fit_calibration,
)
from cyclone.calibration.log_odds import SMALLEST_SLOPE
from cyclone.errors import ConfigurationError
from cyclone.sections import Recalibrate
from cyclone.spec import ModelSpec

PLAIN = Recalibrate(shrinkage_days=0)
TASKS: dict[str, dict[str, Any]] = {
    "regression": {"type": "number"},
    "binary": {"type": "boolean"},
    "multiclass": {"type": "category", "values": ["a", "b", "c"]},
}


def build_spec(task: str, label: dict[str, Any] | None = None, **recalibrate: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "name": "m",
            "task": task,
            "features": [{"name": "x", "type": "number"}],
            "label": {"name": "y", "expected_delay_hours": 24, **TASKS[task], **(label or {})},
            "recalibrate": recalibrate,
        }
    )


def build_days(days: int, factor: float, start: int = 0, noise: float = 0.0) -> LabelledDays:
    """24 rows a day whose labels are `factor` times the predictions."""
    rng = np.random.default_rng(0)
    prediction = rng.uniform(50, 150, 24 * days)
    label = prediction * factor + rng.normal(0, noise, 24 * days)
    return LabelledDays(np.repeat(np.arange(start, start + days), 24), label, prediction)


def build_classes(count: int, shift: tuple[float, ...], temperature: float = 1.0) -> LabelledDays:
    """Rows of 10 days, drawn from the predicted odds after a shift and a division by `temperature`."""
    rng = np.random.default_rng(1)
    raw = rng.normal(0, 1, (count, len(shift)))
    predicted = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    true = np.exp(np.log(predicted) / temperature + np.array(shift))
    true /= true.sum(axis=1, keepdims=True)
    label = (rng.uniform(size=(count, 1)) > true.cumsum(axis=1)).sum(axis=1)
    prediction = predicted[:, 1] if len(shift) == 2 else predicted
    return LabelledDays(np.sort(np.arange(count) % 10), label, prediction)


@pytest.mark.parametrize(
    ("task", "label", "method", "chosen"),
    [
        ("regression", {"range": [0, 100]}, "auto", "ratio"),
        ("regression", {"range": [-5, 100]}, "auto", "bias"),
        ("regression", {}, "auto", "bias"),
        ("regression", {}, "ratio", "ratio"),
        ("binary", {}, "auto", "shift_and_slope"),
        ("multiclass", {}, "prior_shift", "prior_shift"),
        ("multiclass", {}, "temperature", "temperature"),
    ],
)
def test_the_method_follows_task_and_label(task: str, label: dict[str, Any], method: str, chosen: str) -> None:
    assert choose_method(build_spec(task, label, method=method)) == chosen


def test_a_ratio_of_sums_is_shrunk_towards_one() -> None:
    rows = build_days(4, 1.5)
    plain, shrunk = fit_calibration("ratio", PLAIN, rows), fit_calibration("ratio", Recalibrate(shrinkage_days=1), rows)
    assert plain is not None
    assert shrunk is not None
    assert plain.values[0] == pytest.approx(1.5)
    assert shrunk.values[0] == pytest.approx(1 + 0.5 * 4 / 5)


def test_the_unit_of_the_label_does_not_change_a_ratio() -> None:
    rows = build_days(4, 1.5)
    in_thousands = LabelledDays(rows.day, rows.label / 1000, rows.prediction / 1000)
    one, other = (fit_calibration("ratio", Recalibrate(), item) for item in (rows, in_thousands))
    assert one is not None
    assert other is not None
    assert one.values[0] == pytest.approx(other.values[0])


def test_sums_that_allow_no_positive_ratio_give_none() -> None:
    rows = build_days(4, -1.0)
    assert fit_calibration("ratio", PLAIN, rows) is None
    assert fit_calibration("ratio", PLAIN, rows.between(9, 10)) is None


def test_a_bias_is_the_shrunk_mean_difference() -> None:
    rows = LabelledDays(np.array([0, 1]), np.array([1.0, -5.0]), np.array([3.0, -3.0]))
    assert fit_calibration("bias", Recalibrate(shrinkage_days=2), rows) == Calibration("bias", (-1.0,))


@pytest.mark.parametrize("shift", [(0.0, 1.0), (0.5, -0.5, 0.0)])
def test_a_prior_shift_is_found_again(shift: tuple[float, ...]) -> None:
    rows = build_classes(40_000, shift)
    found = fit_calibration("prior_shift", PLAIN, rows)
    assert found is not None
    assert np.array(found.values) - np.mean(found.values) == pytest.approx(np.array(shift) - np.mean(shift), abs=0.05)
    strong = fit_calibration("prior_shift", Recalibrate(shrinkage_days=100), rows)
    assert strong is not None
    assert max(map(abs, strong.values)) < 0.15


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_temperature_is_found_again(classes: int, temperature: float) -> None:
    found = fit_calibration("temperature", PLAIN, build_classes(40_000, (0.0,) * classes, temperature))
    assert found is not None
    assert 1 / found.values[0] == pytest.approx(temperature, rel=0.08)


@pytest.mark.parametrize("shift", [(-0.5, 0.5), (0.5, -0.5, 0.0)])
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_shift_and_a_slope_are_found_again(shift: tuple[float, ...], temperature: float) -> None:
    found = fit_calibration("shift_and_slope", PLAIN, build_classes(40_000, shift, temperature))
    assert found is not None
    *shifts, slope = found.values
    assert np.array(shifts) - np.mean(shifts) == pytest.approx(np.array(shift) - np.mean(shift), abs=0.06)
    assert 1 / slope == pytest.approx(temperature, rel=0.08)


def test_a_slope_never_turns_predictions_around() -> None:
    """Each prediction says the opposite of its label. The best slope would be below 0."""
    rows = LabelledDays(np.arange(2000) // 200, np.tile([0, 1], 1000), np.tile([0.9, 0.1], 1000))
    found = fit_calibration("shift_and_slope", Recalibrate(), rows)
    assert found is not None
    assert found.values == pytest.approx((0, 0, SMALLEST_SLOPE), abs=1e-6)


@pytest.mark.parametrize(
    ("calibration", "predictions"),
    [
        (Calibration("ratio", (1.3,)), [1.0, -2.0]),
        (Calibration("bias", (-4.0,)), [1.0, -2.0]),
        (Calibration("prior_shift", (-0.7, 0.7)), [0.01, 0.5, 0.9]),
        (Calibration("temperature", (0.4,)), [0.01, 0.5, 0.9]),
        (Calibration("prior_shift", (-0.7, 0.0, 0.7)), [[0.2, 0.3, 0.5], [0.9, 0.05, 0.05]]),
        (Calibration("shift_and_slope", (-0.7, 0.7, 2.0)), [0.01, 0.5, 0.9]),
        (Calibration("shift_and_slope", (-0.7, 0.0, 0.7, 0.5)), [[0.2, 0.3, 0.5], [0.9, 0.05, 0.05]]),
        (Calibration("temperature", (2.5,)), [[0.2, 0.3, 0.5], [0.9, 0.05, 0.05]]),
    ],
)
def test_a_calibration_changes_predictions_and_can_be_sent_as_json(
    calibration: Calibration, predictions: list[Any]
) -> None:
    answers = calibration.apply(np.array(predictions))
    assert answers != pytest.approx(np.array(predictions))
    assert answers.shape == np.array(predictions).shape
    if answers.ndim == 2:
        assert answers.sum(axis=1) == pytest.approx(1)
    assert Calibration.from_json(calibration.to_json()) == calibration


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"method": "magic", "values": [1]}',
        '{"method": "ratio", "values": [0]}',
        '{"method": "ratio", "values": []}',
        '{"method": "shift_and_slope", "values": [0.5, 0.5, 0]}',
        '{"method": "bias", "values": [NaN]}',
        '{"method": "bias", "values": ["x"]}',
    ],
)
def test_what_is_no_calibration_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="calibration"):
        Calibration.from_json(text)


@pytest.mark.parametrize(
    ("task", "calibration"),
    [
        ("regression", Calibration("prior_shift", (0.5, -0.5))),
        ("regression", Calibration("ratio", (1.0, 2.0))),
        ("binary", Calibration("ratio", (1.5,))),
        ("binary", Calibration("prior_shift", (0.5,))),
        ("multiclass", Calibration("prior_shift", (0.5, -0.5))),
        ("multiclass", Calibration("temperature", (1.0, 1.0, 1.0))),
        ("multiclass", Calibration("shift_and_slope", (0.5, 0.5, 1.0))),
    ],
)
def test_a_calibration_of_another_task_or_of_other_classes_is_refused(task: str, calibration: Calibration) -> None:
    with pytest.raises(ConfigurationError, match=rf"does not fit m, a {task} model"):
        calibration.check(build_spec(task))


def test_a_version_that_is_off_by_a_factor_is_calibrated() -> None:
    spec = build_spec("regression", {"range": [0, 1000]})
    choice = choose_calibration(spec, build_days(6, 1.5, start=10), today=17)
    assert choice.calibration is not None
    assert choice.calibration.values[0] == pytest.approx(1 + 0.5 * 6 / 7)
    assert choice.error_with is not None
    assert choice.error_without is not None
    assert choice.error_with < choice.error_without


def test_a_version_that_is_right_on_the_whole_is_left_alone() -> None:
    rows = build_days(7, 1.0, start=10)
    swinging = LabelledDays(rows.day, rows.label + np.tile([10, -10], len(rows) // 2), rows.prediction)
    choice = choose_calibration(build_spec("regression", {"range": [0, 1000]}), swinging, today=18)
    assert choice.calibration is None
    assert choice.reason == "a calibration is not shown to help: error 10 with one, 10 without, over 120 rows"


def test_what_did_not_help_on_later_days_is_not_served() -> None:
    """Two days are off by one factor and two by another: what was last known says nothing of today."""
    days = [build_days(1, factor, start=day) for day, factor in enumerate([1.8, 1.8, 0.2, 0.2] * 2)]
    rows = LabelledDays(
        *(np.concatenate([getattr(day, name) for day in days]) for name in ("day", "label", "prediction"))
    )
    choice = choose_calibration(build_spec("regression", {"range": [0, 1000]}), rows, today=9)
    assert choice.calibration is None


def test_days_that_differ_by_chance_seldom_get_a_calibration() -> None:
    """A lower mean error alone would be served on every third day, and make the errors larger."""
    spec = build_spec("regression", {"range": [0, 1000]})
    rng = np.random.default_rng(4)
    factors = np.exp(rng.normal(0, 0.15, 400))
    parts = [build_days(1, factor, start=day) for day, factor in enumerate(factors)]
    rows = LabelledDays(*(np.concatenate([fields(part)[place] for part in parts]) for place in range(3)))
    served = [choose_calibration(spec, rows, today).calibration is not None for today in range(20, 400)]
    assert sum(served) <= 0.06 * len(served)


def test_a_trial_uses_no_label_that_came_later_than_the_day_it_is_of() -> None:
    """Labels are expected after a day, and come after five: of today's fit the newest day is six days old."""
    spec = build_spec("regression", {"range": [0, 1000]})
    parts = [build_days(1, 2.0 if day % 8 < 4 else 0.5, start=day) for day in range(60)]
    rows = LabelledDays(*(np.concatenate([fields(part)[place] for part in parts]) for place in range(3)))
    for today in range(30, 60):
        late = choose_calibration(spec, rows.between(0, today - 5), today)
        told = build_spec("regression", {"range": [0, 1000], "expected_delay_hours": 120})
        assert late == choose_calibration(told, rows, today)


def test_the_first_few_labels_of_a_day_are_no_day() -> None:
    """What is known soon is of one kind, so the day waits for the others."""
    spec = build_spec("regression", {"range": [0, 1000]})
    whole, early = build_days(8, 1.5), build_days(1, 9.0, start=8).between(8, 9)
    rows = LabelledDays(
        *(np.concatenate([old, new[:5]]) for old, new in zip(fields(whole), fields(early), strict=True))
    )
    assert choose_calibration(spec, rows, today=10) == choose_calibration(spec, whole, today=10)


def test_what_is_not_known_yet_changes_nothing() -> None:
    spec = build_spec("regression", {"range": [0, 1000]}, memory_days=3)
    rows = build_days(30, 1.5)
    assert choose_calibration(spec, rows, today=20) == choose_calibration(spec, rows.between(0, 20), today=20)


def test_a_new_versions_day_is_calibrated_by_the_other_days_if_that_helps() -> None:
    spec = build_spec("regression", {"range": [0, 1000]})
    rows = build_days(4, 1.5)
    answers = answer_other_days(spec, rows)
    others = fit_calibration("ratio", spec.recalibrate, rows.between(1, 4))
    assert others is not None
    assert np.array_equal(answers[:24], others.apply(rows.prediction[:24]))
    moved = LabelledDays(rows.day, np.where(rows.day == 0, rows.label * 1.2, rows.label), rows.prediction)
    assert np.array_equal(answer_other_days(spec, moved)[:24], answers[:24])
    for plain, which in ((spec, build_days(4, 1.0)), (spec, rows.between(0, 2)), (off(spec), rows)):
        assert np.array_equal(answer_other_days(plain, which), which.prediction)


def off(spec: ModelSpec) -> ModelSpec:
    return spec.model_copy(update={"recalibrate": Recalibrate(enabled=False)})


def fields(rows: LabelledDays) -> tuple[Any, ...]:
    return rows.day, rows.label, rows.prediction


def test_too_few_days_and_a_model_that_turned_it_off_have_no_calibration() -> None:
    few = choose_calibration(build_spec("regression", {"range": [0, 1000]}), build_days(1, 2.0), today=2)
    assert (few.calibration, few.reason) == (None, "1 labelled days, recalibrate.minimum_days is 2")
    off = choose_calibration(build_spec("regression", enabled=False), build_days(7, 2.0), today=8)
    assert (off.calibration, off.reason) == (None, "recalibrate.enabled is false")


def test_a_classifier_whose_prior_has_moved_is_calibrated() -> None:
    choice = choose_calibration(build_spec("binary", memory_days=10), build_classes(2400, (0.0, 1.0)), today=11)
    assert choice.calibration is not None
    assert choice.calibration.method == "shift_and_slope"


def test_the_examples_hold() -> None:
    assert doctest.testmod(cyclone.calibration.fitting).failed == 0
