"""Labelled rows with the predictions of a version, grouped by day."""

from typing import TYPE_CHECKING, Any

from cyclone.calibration.fitting import LabelledDays, answer_other_days
from cyclone.calibration.looks import read_calibration
from cyclone.releases import current_release
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import DAY, EPOCH
from training.data.dataset import split_features
from training.fit.scores import encode_labels, predict

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


def build_labelled_days(spec: ModelSpec, estimator: Any, frame: "pd.DataFrame") -> LabelledDays:
    """The labelled rows of a dataset with a version's raw predictions. Days are counted from 1970-01-01 UTC."""
    features, labels = split_features(spec, frame)
    return LabelledDays(
        day=((frame["created_at"] - EPOCH) // DAY).to_numpy(),
        label=encode_labels(spec, labels),
        prediction=predict(spec, estimator, features),
    )


def answer_as_corrected(store: Store, spec: ModelSpec, version: int, rows: LabelledDays) -> "Array":
    """The answers of the champion, each day corrected as a challenger's days are.

    If a person has withdrawn a calibration of this version, the version is not calibrated again. Then every day is
    corrected as the version answers now.
    """
    if not store.fetch_one("calibration/withdrawn", model=spec.name, version=version):
        return answer_other_days(spec, rows)
    champion = current_release(store, spec.name)
    is_serving = champion is not None and champion.version == version
    kept = read_calibration(store, spec.name, champion.revision) if champion and is_serving else None
    return kept.apply(rows.prediction) if kept else rows.prediction
