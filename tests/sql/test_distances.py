"""Every drift check on the same rows as SciPy and as `cyclone.checks.distances`, through the log and the roll-ups."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon  # type: ignore[import-untyped, unused-ignore]
from scipy.stats import chi2_contingency, ks_2samp, wasserstein_distance  # type: ignore[import-untyped, unused-ignore]

from cyclone.checks.distances import DISTANCES, measure_distance
from cyclone.checks.evaluation import evaluate_checks
from cyclone.checks.measurements import load_check, measure
from cyclone.checks.rollups import roll_up
from cyclone.checks.verdicts import Measurement
from cyclone.spec import ModelSpec
from cyclone.store import Store
from training.fit.null_distributions import build_nulls, count_days, flatten_null
from training.fit.profile import Subject, build_profile, place_rows

START = datetime(2011, 3, 1, tzinfo=UTC)
NAMES = ["temperature", 'o\'clock; "DROP" %s ☂', "x" * 60]
"""Names are data, never part of a statement."""
NUMBER, COLOUR, EMPTY = NAMES
SPEC = ModelSpec.model_validate(
    {
        "name": "bike_demand",
        "task": "regression",
        "features": [
            {"name": NUMBER, "type": "number", "nullable": True},
            {"name": COLOUR, "type": "category", "values": ["red", "green", "blue"], "nullable": True},
            {"name": EMPTY, "type": "boolean"},
        ],
        "label": {"name": "demand", "type": "number", "expected_delay_hours": 0},
    }
)
Rows = Sequence[dict[str, Any]]


def draw_rows(seed: int, count: int, shift: float, colours: list[float]) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(shift, 1, count)
    names = rng.choice(["red", "green", "blue", "none", "purple"], count, p=colours)
    return [
        {
            NUMBER: None if rng.random() < 0.05 * (1 + shift) else float(number),
            COLOUR: None if name == "none" else str(name),
            EMPTY: bool(rng.random() < 0.5),
        }
        for number, name in zip(numbers, names, strict=True)
    ]


REFERENCE = draw_rows(1, 900, 0.0, [0.5, 0.3, 0.1, 0.1, 0])
WINDOW = draw_rows(2, 400, 0.4, [0.3, 0.3, 0.2, 0.1, 0.1])


@pytest.fixture
def subjects(store: Store, insert: Any) -> list[Subject]:
    """A store with the reference's profile and the window's rows, rolled up."""
    found = build_profile(SPEC, pd.DataFrame(REFERENCE), np.arange(900.0))
    insert("reference_profile", [{}])
    insert("reference_bin", [vars(item) for subject in found for item in subject.bins])
    insert(
        "prediction_log",
        [
            {"input": row, "prediction": 2.0 * place, "created_at": START + timedelta(minutes=place)}
            for place, row in enumerate(WINDOW)
        ],
    )
    roll_up(store, SPEC)
    return found


def run_check(store: Store, name: str) -> dict[str, Measurement]:
    end = START + timedelta(days=1)
    measured = measure(
        store, load_check("drift", name), model="bike_demand", version=1, window_start=START, window_end=end
    )
    return {item.subject: item for item in measured}


def count(subject: Subject, rows: Rows) -> tuple[Any, Any]:
    placed = place_rows(subject.bins, [row[subject.name] for row in rows])
    bins, counts = count_days(Subject(subject.bins, placed), np.zeros(len(rows), dtype="int64"))
    return bins, counts.sum(axis=0)


@pytest.mark.parametrize("check", sorted(DISTANCES))
def test_a_check_says_what_its_function_of_counts_says(store: Store, subjects: list[Subject], check: str) -> None:
    measured = run_check(store, check)
    for subject in subjects[:3]:
        bins, expected = count(subject, REFERENCE)
        value = measure_distance(check, bins, count(subject, WINDOW)[1], expected)
        if value is None:
            assert subject.name not in measured
        else:
            assert measured[subject.name].value == pytest.approx(float(value), rel=1e-9, abs=1e-12)


def test_checks_of_shares_are_those_of_scipy(store: Store, subjects: list[Subject]) -> None:
    stability, distance, chi = (
        run_check(store, name) for name in ("population_stability", "jensen_shannon", "chi_squared")
    )
    for subject in subjects[:3]:
        expected, observed = count(subject, REFERENCE)[1], count(subject, WINDOW)[1]
        p, q = (np.maximum(side / side.sum(), 1e-4) for side in (observed, expected))
        assert stability[subject.name].value == pytest.approx(float(((p - q) * np.log(p / q)).sum()), abs=1e-9)
        known = expected + observed > 0
        assert distance[subject.name].value == pytest.approx(jensenshannon(observed, expected, base=2), abs=1e-9)
        table = chi2_contingency([observed[known], expected[known]], correction=False)
        assert chi[subject.name].value == pytest.approx(table.statistic, abs=1e-9)


def test_checks_of_numbers_are_those_of_scipy_within_their_bins(store: Store, subjects: list[Subject]) -> None:
    bins, expected = count(subjects[0], REFERENCE)
    observed = count(subjects[0], WINDOW)[1]
    there, before = ([row[NUMBER] for row in rows if row[NUMBER] is not None] for rows in (WINDOW, REFERENCE))
    smirnov = run_check(store, "kolmogorov_smirnov")[NUMBER].value
    shares = np.maximum(observed / len(there), expected / len(before))[bins.is_number]
    assert smirnov is not None
    assert smirnov <= ks_2samp(there, before).statistic + 1e-9
    assert ks_2samp(there, before).statistic <= smirnov + shares.max()
    number, center = bins.is_number, bins.center[bins.is_number]
    distance = wasserstein_distance(center, center, observed[number], expected[number])
    weights = expected[number] / expected[number].sum()
    deviation = np.sqrt((weights * center**2).sum() - (weights * center).sum() ** 2)
    measured = run_check(store, "wasserstein")[NUMBER].value
    assert measured == pytest.approx(distance / deviation, abs=1e-9)
    moved = sum(
        np.abs(center[place_rows(subjects[0].bins, values)] - values).mean()
        for values in map(np.array, (there, before))
    )
    assert abs(distance - wasserstein_distance(there, before)) <= moved


def test_shares_are_those_of_the_rows(store: Store, subjects: list[Subject]) -> None:
    missing = {name: sum(row[name] is None for row in WINDOW) / 400 - sum(row[name] is None for row in REFERENCE) / 900
               for name in NAMES}  # fmt: skip
    measured = run_check(store, "missing_share")
    assert {name: measured[name].value for name in NAMES} == pytest.approx({k: abs(v) for k, v in missing.items()})
    unknown = run_check(store, "unknown_share")
    assert unknown[COLOUR].value == pytest.approx(sum(row[COLOUR] == "purple" for row in WINDOW) / 400)
    known = [row[NUMBER] for row in REFERENCE if row[NUMBER] is not None]
    outside = [row for row in WINDOW if row[NUMBER] is not None and not min(known) <= row[NUMBER] <= max(known)]
    assert run_check(store, "outside_share")[NUMBER].value == pytest.approx(len(outside) / 400)


@pytest.mark.parametrize("number", [0.0, 5.0, 1e-310, -1e300, 1.7976931348623157e308])
def test_a_constant_reference_passes_its_constant_and_fails_what_leaves_it(
    store: Store, insert: Any, number: float
) -> None:
    spec = SPEC.model_copy(update={"features": SPEC.features[:2]})
    days = pd.Series(pd.date_range("2011-01-01", periods=240, freq="3h", tz="UTC"))
    frame = pd.DataFrame({NUMBER: np.full(240, number), COLOUR: ["red"] * 240})
    subjects = build_profile(spec, frame, np.full(240, number))
    nulls = [flatten_null(item) for item in build_nulls(spec, subjects, days)]
    insert("reference_profile", [{}])
    insert("release", [{}])
    store.run(
        "training/profile_bins_insert",
        model="bike_demand",
        version=1,
        bins=json.dumps([asdict(item) for subject in subjects for item in subject.bins], allow_nan=False),
    )
    store.run("training/profile_nulls_insert", model="bike_demand", version=1, nulls=json.dumps(nulls))
    for name, value, colour in (("same", number, "red"), ("other", -number if number else 7.0, None)):
        row = {"input": {NUMBER: value, COLOUR: colour}, "prediction": value}
        at = START if name == "same" else START + timedelta(days=10)
        insert("prediction_log", [{**row, "id": f"{name}-{n}", "created_at": at.isoformat()} for n in range(200)])
        roll_up(store, spec)
        results = evaluate_checks(store, spec, "drift", at + timedelta(days=1), name)
        found = {(item.check_name, item.subject): item.verdict for item in results if item.sample_size}
        verdict = "passed" if name == "same" else "failed"
        assert found == dict.fromkeys(found, verdict)
        assert {subject for _, subject in found} == {NUMBER, COLOUR, "prediction"}


def test_a_label_of_any_finite_size_breaks_no_error_check(store: Store, insert: Any) -> None:
    extremes = [[1.7976931348623157e308, -1e300], [5e-324, 1e-200], [0.0, 3.0]]
    days = [(START + timedelta(days=day), labels) for day, labels in enumerate(extremes)]
    rows = [(f"{day:%d}-{n}", day.isoformat(), label) for day, labels in days for n, label in enumerate(labels)]
    insert("reference_profile", [{}])
    insert("release", [{}])
    insert("prediction_log", [{"id": id_, "input": {}, "prediction": 1.0, "created_at": at} for id_, at, _ in rows])
    insert("label", [{"id": id_, "label": label, "observed_at": at} for id_, at, label in rows])
    roll_up(store, SPEC)
    for check in ("mean_absolute_error", "root_mean_squared_error", "bias", "weighted_absolute_percentage_error"):
        (found,) = measure(
            store,
            load_check("error", check),
            model="bike_demand",
            version=1,
            window_start=START,
            window_end=START + timedelta(days=4),
            label_delay=timedelta(days=1),
            label_load=timedelta(0),
        )
        assert found.sample_size == len(rows)
        assert found.value is not None
        assert found.standard_error is not None
