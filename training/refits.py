"""Scoring of a refit: what a retraining would have served, beside what was served, on days whose labels are known.

The refit is trained on what was known when these days began. Whether it is trained then or now makes no difference, so
no refit is kept. Only its scores are.
"""

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cyclone.calibration.fitting import find_memory_days
from cyclone.errors import ConfigurationError, DataError
from cyclone.losses import compute_error
from cyclone.policy.refit_scores import ScoredDay, Stretch, record_scores
from cyclone.policy.refits import list_windows
from cyclone.sections import Window
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import DAY
from cyclone.wording import format_number
from training.backtest.history import History, build_history
from training.backtest.matrix import Answers, Matrix
from training.data.dataset import check_rows, find_since, split_features, split_newest_days
from training.data.known_rows import read_known_rows
from training.fit.model_code import load_builder
from training.fit.scores import predict
from training.fit.train import fit_estimator

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

log = logging.getLogger(__name__)


def score_refit(settings: Settings, spec: ModelSpec, stretch: Stretch) -> list[ScoredDay]:
    """Fit each window of training on what was known when a stretch began, score its days, and record the scores.

    It can be repeated. Scores that were recorded before stay.
    Errors: `ConfigurationError` or `DataError` when the pipeline cannot be fitted. The stretch is then recorded without
    scores, so that such a pipeline is tried once in three days. Any other error leaves the stretch to the next run.
    """
    began, store, nothing = time.monotonic(), Store(settings.store_dsn), _list_unscored(stretch)
    try:
        scored = _score_windows(settings, spec, stretch) or nothing
    except (ConfigurationError, DataError):
        record_scores(store, spec, stretch, nothing, time.monotonic() - began)
        raise
    record_scores(store, spec, stretch, scored, time.monotonic() - began)
    return scored


def _list_unscored(stretch: Stretch) -> list[ScoredDay]:
    return [ScoredDay(day, None, 0, None, None) for day in stretch.list_days()]


def _score_windows(settings: Settings, spec: ModelSpec, stretch: Stretch) -> list[ScoredDay]:
    memory = stretch.trained_at - find_memory_days(spec) * DAY
    known = read_known_rows(settings, spec, as_of=stretch.known_at.isoformat(), since=memory.isoformat()).frame
    if known.empty:
        return []
    served, history, scored = read_served_losses(settings, spec, stretch, known), build_history(spec, known), []
    for window, frame in _read_windows(settings, spec, stretch).items():
        answers = _refit(settings, spec, stretch, history, frame)
        scored += _score_days(spec, stretch, history, served, window, answers)
    return scored


def read_served_losses(settings: Settings, spec: ModelSpec, stretch: Stretch, known: "pd.DataFrame") -> "Array":
    """The loss of each labelled row as the version that served answered it. NaN for rows that it did not answer."""
    import numpy as np

    rows = Store(settings.training_store_dsn).fetch(
        "refits/served_predictions",
        model=spec.name,
        version=stretch.version,
        since=stretch.trained_at,
        until=stretch.end,
    )
    answered = {row["id"]: row["prediction"] for row in rows}
    return np.array(
        [
            compute_error(label, answered[identity]) if identity in answered else np.nan
            for identity, label in zip(known["id"], known["label"].tolist(), strict=True)
        ]
    )


def _read_windows(settings: Settings, spec: ModelSpec, stretch: Stretch) -> "dict[Window, pd.DataFrame]":
    """The rows to train on for each window, as they were known when the stretch began.

    A window that holds all rows would give the refit of all days once more, and is left out.
    """
    usual, *others = list_windows(spec.retrain)
    as_of = stretch.trained_at
    known = read_known_rows(settings, spec, as_of=as_of.isoformat(), since=find_since(usual, as_of)).frame
    found = {usual: known}
    for window in others:
        shorter = known[known["created_at"] >= as_of - timedelta(days=window or 0)]
        if len(shorter) < len(known):
            found[window] = shorter.reset_index(drop=True)
    return found


def _refit(
    settings: Settings, spec: ModelSpec, stretch: Stretch, history: History, frame: "pd.DataFrame"
) -> Answers | None:
    """What a version would have answered that was trained when the stretch began. None with too little to train on.

    Errors: those of `fit_estimator`.
    """
    try:
        check_rows(spec, frame, stretch.trained_at)
        rows, _ = split_newest_days(frame, spec.retrain.holdout_days)
    except DataError as error:
        log.info("%s: no refit on %d rows: %s", spec.name, len(frame), error)
        return None
    estimator = fit_estimator(spec, load_builder(settings, spec), *split_features(spec, rows), rows["created_at"])
    first = int(history.created_at.searchsorted(rows["created_at"].iloc[-1], side="right"))
    answers = predict(spec, estimator, history.features[first:])
    return Answers(history.find_day(stretch.trained_at), history.day_count, first, answers)


def _score_days(
    spec: ModelSpec,
    stretch: Stretch,
    history: History,
    served: "Array",
    window: Window,
    answers: Answers | None,
) -> list[ScoredDay]:
    """The mean errors of each day, over the rows that the version answered. The refit is corrected as in service."""
    import numpy as np

    if answers is None:
        return []
    matrix = Matrix(history, _never_build)
    matrix.add(answers)
    scored = []
    for moment in stretch.list_days():
        day = history.find_day(moment)
        rows = history.rows_of(day, day + 1)
        is_answered = ~np.isnan(served[rows])
        if is_answered.any():
            own, refit = served[rows], matrix.measure(answers.day, day, day + 1)
            errors = [float(losses[is_answered].mean()) for losses in (own, refit)]
            if not np.isfinite(errors).all():
                continue  # an estimator that answers no number cannot be compared
            scored.append(ScoredDay(moment, window, int(is_answered.sum()), *errors))
    return scored


def describe_scores(spec: ModelSpec, stretch: Stretch, scores: Sequence[ScoredDay]) -> str:
    """The scores as text: one line a day and window."""
    lines = [
        f"{item.day:%Y-%m-%d}: {spec.error_metric} {format_number(item.error)} of version {stretch.version},"
        f" {format_number(item.refit_error)} of a refit on {_describe_window(item.window)}, {item.rows} rows"
        for item in scores
    ]
    return "\n".join([f"refits of {spec.name} that know what was known at {stretch.trained_at:%Y-%m-%d}:", *lines])


def _never_build() -> Any:
    raise AssertionError("the refit is fitted before its matrix is asked")


def _describe_window(window: Window) -> str:
    return "all days" if window is None else f"the last {window} days"
