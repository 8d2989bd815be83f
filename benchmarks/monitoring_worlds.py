"""Years in worlds where nothing changes, and where demand grows: what the monitor asks for, and how soon."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.monitoring_reference import WINDOW_DAYS, Array, Reference, build_reference, count_rows, find_mean
from cyclone.checks.chance import alpha_of_window
from cyclone.checks.verdicts import CheckResult, Item, Measurement, judge
from cyclone.policy.facts import DailyError, Evidence, PastRetraining, ServingVersion
from cyclone.policy.rules import decide
from cyclone.rows.frames import inputs_from_frame
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.times import floor_day
from training.fit.model_code import load_builder
from training.fit.scores import predict
from training.fit.train import fit_challenger

DEMAND = 1.25
"""The factor by which demand grows."""
YEAR = 365
START = datetime(2011, 1, 1, tzinfo=UTC)
FOUND_WITHIN_DAYS = 14
"""How many days a grown demand may stay unnoticed."""


@dataclass(frozen=True)
class DemandWorld:
    """A version trained on half of the days, and a year made of the other half's, drawn with replacement."""

    reference: Reference
    rows: pd.DataFrame
    predictions: Array
    day: Array


def build_world(spec: ModelSpec, rows: pd.DataFrame, seed: int) -> DemandWorld:
    """Draw a world by its seed."""
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
    return DemandWorld(
        reference=build_reference(spec, fit.rows, predictions, alpha, fit.metrics["accepted_error"]),
        rows=year,
        predictions=predict(spec, fit.estimator, inputs_from_frame(spec, year)),
        day=np.repeat(np.arange(len(drawn)), [len(group) for group in drawn]),
    )


def find_failed_errors(world: DemandWorld, labels: Array, last_day: int, first_day: int = 0) -> list[CheckResult]:
    """The error checks that fail on the window that ends with `last_day`, on rows since `first_day`."""
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


def list_decisions(world: DemandWorld, labels: Array, days: Sequence[int]) -> list[int]:
    """The days after which a retraining is asked for. Each new version is taken to be like the one before."""
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
        champion = ServingVersion(1, START + timedelta(days=promoted_day), spec.error_metric, accepted, known)
        failed = find_failed_errors(world, labels, day, promoted_day)
        if decide(spec, Evidence(now, champion, failed, past)).should_retrain:
            asked.append(day)
            past = [*past, PastRetraining(now, "promoted", spec.retrain.cost)]
            promoted_day = day + 1
    return asked


def measure_year(spec: ModelSpec, worlds: Sequence[DemandWorld]) -> dict[str, Any]:
    """The alarms in a year in which nothing changes. Windows of drift end with a day, as those of errors do."""
    moments = [START + timedelta(minutes=5) * step for step in range(YEAR * 288)]
    windows = len({floor_day(moment) for moment in moments})
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


def _judge_day(world: DemandWorld, counts: dict[str, Array], day: int) -> bool:
    window = {name: values[day - WINDOW_DAYS + 1 : day + 1].sum(axis=0) for name, values in counts.items()}
    return bool(world.reference.judge_drift(window, world.reference.spec.monitor.drift))


def measure_demand(spec: ModelSpec, worlds: Sequence[DemandWorld]) -> dict[str, Any]:
    """How soon a demand that grew is found. A label comes with its expected delay."""
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
