"""The reference that a version is watched by in the benchmarks of alarms, made by the same code as in production.

Measurements of drift are those of `cyclone.checks.distances`. `tests/sql/test_distances.py` holds them to the SQL
checks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cyclone.checks.distances import Bins, measure_distance
from cyclone.checks.verdicts import Item, Measurement, Standards, judge
from cyclone.places import REPOSITORY
from cyclone.rows.frames import frame_from_rows
from cyclone.sections import CheckRules
from cyclone.spec import ModelSpec
from training.data.history import read_history
from training.fit.null_distributions import build_nulls, count_days
from training.fit.profile import Subject, build_profile, place_rows

MODEL = REPOSITORY / "models" / "bike_demand"
WINDOW_DAYS = 7
"""The days of a window of drift."""
Array = Any


@dataclass(frozen=True)
class Mean:
    """The mean of independent values, such as references or worlds, with its standard error."""

    value: float
    error: float

    @property
    def percent(self) -> str:
        return f"{self.value:.1%} ± {self.error:.1%}"


def find_mean(values: Iterable[float]) -> Mean:
    """The mean of values that are independent of each other."""
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

    def judge_drift(self, observed: dict[str, Array], checks: Mapping[str, CheckRules]) -> set[str]:
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
    """The reference of a version that was trained on these rows. `alpha` is the rate of false alarms of one window."""
    subjects = [item for item in build_profile(spec, rows[spec.feature_names], predictions) if not item.is_calendar]
    nulls = build_nulls(spec, subjects, rows["created_at"], spec.monitor.drift)
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
    """How many rows each group has in each bin, by subject."""
    counted = {}
    for subject in reference.subjects:
        values = predictions if subject.name == "prediction" else rows[subject.name]
        counted[subject.name] = count_days(Subject(subject.bins, place_rows(subject.bins, values)), group)[1]
    return counted


def read_rows(spec: ModelSpec) -> pd.DataFrame:
    """The history of the model, with features, label and time."""
    history = list(read_history(spec, MODEL))
    rows = frame_from_rows(spec, [row["features"] for row in history])
    rows["label"] = [float(row["label"]) for row in history]
    rows["created_at"] = pd.to_datetime([row["created_at"] for row in history], utc=True)
    return rows
