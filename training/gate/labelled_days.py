"""Labelled rows with the predictions of a version, grouped by day."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cyclone.calibration.fitting import LabelledDays, answer_other_days, find_memory_days
from cyclone.calibration.looks import read_calibration
from cyclone.releases import current_release
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import DAY, EPOCH
from training.data.dataset import split_features
from training.data.known_rows import KnownRows, read_known_rows
from training.fit.scores import encode_labels, predict
from training.tracking.versions import TrainedVersion, keep_answerable

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


def read_untrained(settings: Settings, version: TrainedVersion, as_of: datetime) -> tuple[KnownRows, datetime]:
    """The rows known at `as_of` that a version could answer and was not trained on, and the moment they begin at.

    They are as many days as a calibration looks at, whichever version answered them.
    """
    memory = timedelta(days=find_memory_days(version.spec))
    since = max(version.trained_until + timedelta(microseconds=1), as_of - memory)
    known = read_known_rows(settings, version.spec, as_of=as_of.isoformat(), since=since.isoformat())
    return KnownRows(keep_answerable(version.spec, known.frame), known.fingerprint), since


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
