"""How often the monitor cries wolf, and what it finds: the real decisions on resampled hours and days of 2011.

Measurements of drift are those of `cyclone.distances`, which `tests/sql/test_distances.py` holds to the SQL checks; the
reference, its nulls, the verdicts and the decisions are made by the code that runs in production.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from cyclone.chance import alpha_of_window
from cyclone.checks import CheckResult, find_window_end
from cyclone.distances import Bins, measure_distance
from cyclone.frames import frame_from_rows, inputs_from_frame
from cyclone.measurements import Measurement
from cyclone.policy import Champion, DailyError, Evidence, PastRetraining, decide
from cyclone.sections import Check
from cyclone.settings import REPOSITORY, Settings
from cyclone.spec import ModelSpec, load_model_spec
from cyclone.verdicts import Item, Standards, judge
from training.history import read_history
from training.nulls import build_nulls, count_days
from training.pipeline import load_builder
from training.profile import Subject, build_profile, place_rows
from training.scores import predict
from training.train import fit_challenger

MODEL = REPOSITORY / "models" / "bike_demand"
WINDOW_DAYS, WINDOW_ROWS = 7, 168
SIZES = (50, 100, 168, 500, 1000, 2500, 10_000)
DRAWS, REFERENCES = 400, 8
SHIFT = 0.25
DEMAND = 1.25
WORLDS = 48
YEAR = 365
START = datetime(2011, 1, 1, tzinfo=UTC)
FOUND_WITHIN_DAYS = 14
NOMINAL = 0.05
Array = Any


@dataclass(frozen=True)
class Mean:
    """Of values that have nothing to do with each other (references, worlds), with its standard error."""

    value: float
    error: float

    @property
    def percent(self) -> str:
        return f"{self.value:.1%} ± {self.error:.1%}"


def find_mean(values: Iterable[float]) -> Mean:
    found = np.array(list(values), dtype=float)
    return Mean(float(found.mean()), float(found.std(ddof=1) / len(found) ** 0.5))


@dataclass(frozen=True)
class Reference:
    """What a version is watched by, as training leaves it."""

    spec: ModelSpec
    subjects: list[Subject]
    bins: dict[str, Bins]
    counts: dict[str, Array]
    standards: Standards

    def judge_drift(self, observed: dict[str, Array], checks: Mapping[str, Check]) -> set[str]:
        """The subjects that fail in a window by any of the checks, from their counts by bin."""
        items = []
        for check_name, check in checks.items():
            for name, counts in observed.items():
                value = measure_distance(check_name, self.bins[name], counts, self.counts[name])
                if value is not None:
                    rows = int(counts.sum())
                    items.append(Item(check_name, check, Measurement(name, float(value), None, rows)))
        judgements = judge("drift", items, self.standards)
        return {
            item.measured.subject
            for item, judgement in zip(items, judgements, strict=True)
            if judgement.verdict == "failed"
        }


def build_reference(
    spec: ModelSpec, rows: pd.DataFrame, predictions: Array, alpha: float, accepted_error: float = 1.0
) -> Reference:
    subjects = [item for item in build_profile(spec, rows[spec.feature_names], predictions) if not item.is_calendar]
    nulls = build_nulls(spec, subjects, rows["created_at"])
    day = (rows["created_at"].dt.floor("D").rank(method="dense").astype("int64") - 1).to_numpy()
    counted = {subject.name: count_days(subject, day) for subject in subjects}
    return Reference(
        spec=spec,
        subjects=subjects,
        bins={name: bins for name, (bins, _) in counted.items()},
        counts={name: counts.sum(axis=0) for name, (_, counts) in counted.items()},
        standards=Standards(alpha, accepted_error, {}, {(item.check_name, item.subject): item.null for item in nulls}),
    )


def count_rows(reference: Reference, rows: pd.DataFrame, predictions: Array, group: Array) -> dict[str, Array]:
    """Rows by group and bin, of each subject."""
    counted = {}
    for subject in reference.subjects:
        values = predictions if subject.name == "prediction" else rows[subject.name]
        counted[subject.name] = count_days(Subject(subject.bins, place_rows(subject.bins, values)), group)[1]
    return counted


def read_rows(spec: ModelSpec) -> pd.DataFrame:
    history = list(read_history(spec, MODEL))
    rows = frame_from_rows(spec, [row["features"] for row in history])
    rows["label"] = [float(row["label"]) for row in history]
    rows["created_at"] = pd.to_datetime([row["created_at"] for row in history], utc=True)
    return rows


def draw_windows(
    reference: Reference, rows: pd.DataFrame, predictions: Array, size: int, rng: np.random.Generator
) -> list[dict[str, Array]]:
    """Windows of rows drawn one by one."""
    chosen = rng.integers(0, len(rows), (DRAWS, size))
    counts = {}
    for subject in reference.subjects:
        values = predictions if subject.name == "prediction" else rows[subject.name]
        placed = count_days(Subject(subject.bins, place_rows(subject.bins, values)), np.arange(len(rows)))[1]
        place = placed.argmax(axis=1)[chosen] + placed.shape[1] * np.arange(DRAWS)[:, None]
        counts[subject.name] = np.bincount(place.ravel(), minlength=DRAWS * placed.shape[1]).reshape(DRAWS, -1)
    return [{name: values[draw] for name, values in counts.items()} for draw in range(DRAWS)]


def spread_over_days(rows: pd.DataFrame, rows_a_day: float) -> pd.DataFrame:
    """The rows as if they came at so many a day."""
    start = pd.Timestamp("2011-01-01", tz="UTC")
    return rows.assign(created_at=start + pd.to_timedelta(np.arange(len(rows)) * 24 / rows_a_day, unit="h"))


def measure_independent(spec: ModelSpec, rows: pd.DataFrame, estimator: Any) -> dict[str, Any]:
    """False alarms and power on rows that have nothing to do with each other, one window at the nominal rate."""
    rng = np.random.default_rng(1)
    rows = rows.iloc[rng.permutation(len(rows))].reset_index(drop=True)
    # The source rounds temperatures to 1/41 of a degree's scale: without the steps a shift is as large as it says.
    rows["temperature"] = rows["temperature"] + rng.uniform(-0.01, 0.01, len(rows))
    predictions = predict(spec, estimator, inputs_from_frame(spec, rows))
    checks = spec.monitor.drift
    without_minimum = {name: check.model_copy(update={"minimum_samples": 1}) for name, check in checks.items()}
    figures: dict[str, Any] = {"alarm_rates": {}, "without_minimum": {}, "power": []}
    for size in SIZES:
        alarms: list[Array] = []
        for _ in range(REFERENCES):
            # The reference is a sample too, of a world that the windows are drawn from as well.
            known = rng.integers(0, len(rows), len(rows))
            trained = spread_over_days(rows.iloc[known], size / WINDOW_DAYS)
            reference = build_reference(spec, trained, predictions[known], NOMINAL)
            windows = draw_windows(reference, rows, predictions, size, rng)
            judged = [
                [bool(reference.judge_drift(window, chosen)) for chosen in (checks, without_minimum)]
                for window in windows
            ]
            alarms.append(np.mean(judged, axis=0))
            if size == WINDOW_ROWS:
                figures["power"].append(measure_power(spec, reference, rows, estimator, rng))
        figures["alarm_rates"][size], figures["without_minimum"][size] = map(find_mean, zip(*alarms, strict=True))
    figures["power"] = {name: find_mean(values) for name, values in pd.DataFrame(figures["power"]).items()}
    return figures


def measure_power(
    spec: ModelSpec, reference: Reference, rows: pd.DataFrame, estimator: Any, rng: np.random.Generator
) -> dict[str, float]:
    """How often a temperature that moved is found: an alarm of any subject, and the temperature by its name."""
    power = {}
    for name, sign in (("warmer", 1), ("colder", -1)):
        moved = rows.assign(temperature=rows["temperature"] + sign * SHIFT * rows["temperature"].std())
        inputs = inputs_from_frame(spec, moved)
        windows = draw_windows(reference, moved, predict(spec, estimator, inputs), WINDOW_ROWS, rng)
        failed = [reference.judge_drift(window, spec.monitor.drift) for window in windows]
        power[f"{name}, any alarm"] = float(np.mean([bool(names) for names in failed]))
        power[f"{name}, by name"] = float(np.mean(["temperature" in names for names in failed]))
    return power


@dataclass(frozen=True)
class World:
    """A version trained on half of the days, and a year made of the other half's, drawn with replacement."""

    reference: Reference
    rows: pd.DataFrame
    predictions: Array
    day: Array


def build_world(spec: ModelSpec, rows: pd.DataFrame, seed: int) -> World:
    rng = np.random.default_rng(seed)
    days = rng.permutation(rows["created_at"].dt.floor("D").unique())
    known, unseen = np.split(days, 2) if len(days) % 2 == 0 else np.split(days[1:], 2)
    trained = rows[rows["created_at"].dt.floor("D").isin(known)].reset_index(drop=True)
    fit = fit_challenger(spec, load_builder(Settings(), spec), trained)
    by_day = dict(iter(rows.groupby(rows["created_at"].dt.floor("D"))))
    drawn = [by_day[day] for day in rng.choice(unseen, YEAR + 2 * WINDOW_DAYS)]
    year = pd.concat(drawn, ignore_index=True)
    predictions = predict(spec, fit.estimator, inputs_from_frame(spec, fit.rows))
    alpha = alpha_of_window(spec.monitor.alpha)
    return World(
        reference=build_reference(spec, fit.rows, predictions, alpha, fit.metrics["accepted_error"]),
        rows=year,
        predictions=predict(spec, fit.estimator, inputs_from_frame(spec, year)),
        day=np.repeat(np.arange(len(drawn)), [len(group) for group in drawn]),
    )


def find_failed_errors(world: World, labels: Array, last_day: int, first_day: int = 0) -> list[CheckResult]:
    """The error checks that fail on the window whose labels were observed up to a day's end, of rows since a day."""
    failed = []
    end = START + timedelta(days=last_day + 1)
    for name, check in world.reference.spec.monitor.error.items():
        start_day = max(first_day, last_day + 1 - check.window_days)
        inside = (world.day >= start_day) & (world.day <= last_day)
        differences = world.predictions[inside] - labels[inside]
        value = float(abs(differences.mean()) if name == "bias" else np.abs(differences).mean())
        measured = Measurement("all", value, None, int(inside.sum()))
        (judgement,) = judge("error", [Item(name, check, measured)], world.reference.standards)
        if judgement.verdict == "failed":
            window = (end - timedelta(days=check.window_days), end)
            numbers = (value, None, measured.sample_size, judgement.limit)
            failed.append(CheckResult("error", name, "all", 1, *numbers, judgement.verdict, *window))
    return failed


def list_decisions(world: World, labels: Array, days: Sequence[int]) -> list[int]:
    """The days after which a retraining is asked for; its version is like the one before."""
    rows = np.bincount(world.day)
    errors = np.bincount(world.day, np.abs(world.predictions - labels)) / rows
    daily = [DailyError(START + timedelta(days=day), float(error), int(rows[day])) for day, error in enumerate(errors)]
    asked: list[int] = []
    past: list[PastRetraining] = []
    promoted_day = 0
    spec, accepted = world.reference.spec, world.reference.standards.accepted_error
    for day in days:
        now = START + timedelta(days=day + 1)
        known = tuple(daily[max(promoted_day, day + 1 - spec.retrain.error.window_days) : day + 1])
        champion = Champion(1, START + timedelta(days=promoted_day), spec.error_metric, accepted, known)
        failed = find_failed_errors(world, labels, day, promoted_day)
        if decide(spec, Evidence(now, champion, failed, past)).should_retrain:
            asked.append(day)
            past = [*past, PastRetraining(now, "promoted", spec.retrain.cost)]
            promoted_day = day + 1
    return asked


def measure_year(spec: ModelSpec, worlds: Sequence[World]) -> dict[str, Any]:
    """Alarms in a year in which nothing changes; drift windows end with a day, as error windows do."""
    moments = [START + timedelta(minutes=5) * step for step in range(YEAR * 288)]
    windows = len({find_window_end("error", moment) for moment in moments})
    days = range(WINDOW_DAYS - 1, WINDOW_DAYS - 1 + YEAR)
    drift_days = years_with_drift = error_days = years_with_error = 0
    retrainings = []
    for world in worlds:
        labels = world.rows["label"].to_numpy()
        retrainings.append(len(list_decisions(world, labels, days)))
        warned = [bool(find_failed_errors(world, labels, day)) for day in days]
        error_days += sum(warned)
        years_with_error += any(warned)
        counts = count_rows(world.reference, world.rows, world.predictions, world.day)
        failed = [_judge_day(world, counts, day) for day in days]
        drift_days += sum(failed)
        years_with_drift += any(failed)
    return {
        "looks": len(moments),
        "windows": windows,
        "retrainings": find_mean(retrainings),
        "drift_days": drift_days / len(worlds),
        "years_with_drift": years_with_drift / len(worlds),
        "error_days": error_days / len(worlds),
        "years_with_error": years_with_error / len(worlds),
    }


def _judge_day(world: World, counts: dict[str, Array], day: int) -> bool:
    window = {name: values[day - WINDOW_DAYS + 1 : day + 1].sum(axis=0) for name, values in counts.items()}
    return bool(world.reference.judge_drift(window, world.reference.spec.monitor.drift))


def measure_demand(spec: ModelSpec, worlds: Sequence[World]) -> dict[str, Any]:
    """How soon a demand that grew is found; a label comes with its expected delay."""
    wait = spec.label.expected_delay_hours / 24
    delays: list[float] = []
    shares, tries, warnings = [], 0, 0
    for world in worlds:
        found = []
        for first in range(2 * WINDOW_DAYS, YEAR - FOUND_WITHIN_DAYS, 30):
            labels = world.rows["label"].to_numpy()
            grown = np.where(world.day >= first, np.round(labels * DEMAND), labels)
            days = range(first, first + FOUND_WITHIN_DAYS - int(np.ceil(wait)))
            asked = list_decisions(world, grown, days)
            tries += 1
            warnings += any(find_failed_errors(world, grown, day) for day in days)
            found.append(bool(asked))
            delays += [day + 1 + wait - first for day in asked[:1]]
        shares.append(float(np.mean(found)))
    return {
        "share": find_mean(shares),
        "delay_days": float(np.mean(delays)) if delays else float("nan"),
        "warned": warnings / tries,
        "tries": tries,
    }


def measure_alarms() -> dict[str, Any]:
    """Every figure of this part, by its name in the report."""
    # On shared cores the threads of one fit mostly wait for each other: minutes instead of seconds.
    with threadpool_limits(1):
        return _measure_all()


def _measure_all() -> dict[str, Any]:
    spec = load_model_spec(MODEL)
    rows = read_rows(spec)
    estimator = load_builder(Settings(), spec)().fit(inputs_from_frame(spec, rows), rows["label"])
    independent = measure_independent(spec, rows, estimator)
    worlds = [build_world(spec, rows, seed) for seed in range(WORLDS)]
    year, demand = measure_year(spec, worlds), measure_demand(spec, worlds)
    print_tables(independent, year, demand)
    return {
        "iid_false_alarm_rate_max": max(rate.value for rate in independent["alarm_rates"].values()),
        "stationary_alarms_per_year": year["retrainings"].value,
        "temperature_shift_power": float(
            np.mean([power.value for name, power in independent["power"].items() if name.endswith("any alarm")])
        ),
        "demand_shift_found_share": demand["share"].value,
        "demand_shift_delay_days": demand["delay_days"],
    }


def print_tables(independent: dict[str, Any], year: dict[str, Any], demand: dict[str, Any]) -> None:
    console = Console()
    table = Table("rows", "any alarm", "without minimum_samples", title=f"Independent rows, nominal {NOMINAL:.0%}")
    for size, rate in independent["alarm_rates"].items():
        table.add_row(f"{size:,}", rate.percent, independent["without_minimum"][size].percent)
    console.print(table)
    table = Table("temperature", "found", title=f"Moved by {SHIFT} standard deviations, {WINDOW_ROWS} rows")
    for name, power in independent["power"].items():
        table.add_row(name, power.percent)
    console.print(table)
    asked = year["retrainings"]
    console.print(
        f"A stationary year, {year['looks']:,} looks at {year['windows']} windows:"
        f" {asked.value:.2f} ± {asked.error:.2f} retrainings asked for;"
        f" drift fails on {year['drift_days']:.2f} days, in {year['years_with_drift']:.0%} of years;"
        f" an error check on {year['error_days']:.2f} days, in {year['years_with_error']:.0%} of years."
    )
    console.print(
        f"Demand × {DEMAND}: within {FOUND_WITHIN_DAYS} days found in {demand['share'].percent} of {demand['tries']}"
        f" cases, after {demand['delay_days']:.1f} days on average; an error check fails in {demand['warned']:.0%}."
        " (± is a standard error, of references or worlds.)"
    )


if __name__ == "__main__":
    print(json.dumps(measure_alarms()))
