"""The gate: champion and challenger, scored on the same newest rows, which neither was trained on."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cyclone.calibration import Calibration, measure_losses
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from training.calibration import read_serving_calibration
from training.dataset import Dataset, find_run_folder, read_dataset, split_features, split_newest_days
from training.gate_rules import GateDecision, PairedLosses, judge, pass_first, refuse_incomparable, refuse_unseen
from training.mlflow_run import GATE_REASON_TAG, GATE_TAG, MODEL_TAG, RUN_TAG
from training.scores import encode_labels, predict
from training.tracking import CHAMPION, connect, fetch_model, find_version
from training.train import Challenger
from training.trained_version import TrainedVersion, fetch_version, keep_answerable

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


def compare_with_champion(
    settings: Settings, spec: ModelSpec, dataset: Dataset, challenger: Challenger
) -> GateDecision:
    """Score both on the newest `holdout_days` of the dataset, as they would answer: the champion as it is calibrated.

    Rows that the champion was trained on are left out, as when `holdout_days` was raised since. MLflow's run and the
    store keep the decision.
    """
    client = connect(settings)
    run = client.get_run(challenger.mlflow_run_id)
    folder = find_run_folder(settings, run.data.tags[RUN_TAG]) / "models"
    _, newest = split_newest_days(read_dataset(spec, dataset), spec.retrain.holdout_days)
    fresh = fetch_model(settings, run.data.tags[MODEL_TAG], folder / "challenger").load()
    champion = find_version(client, spec.name, CHAMPION)
    number = int(champion.version) if champion else None
    if number is None:
        decision = pass_first(float(score(spec, fresh, newest, None).mean()), len(newest))
    else:
        decision = _compare(settings, spec, newest, number, fresh)
    _record(settings, spec, client, run, decision, number)
    return decision


def _compare(settings: Settings, spec: ModelSpec, newest: "pd.DataFrame", number: int, challenger: Any) -> GateDecision:
    """On the rows that the champion could have answered: by the features and categories of its own training."""
    own = fetch_version(settings, spec, number)
    error = float(score(spec, challenger, newest, None).mean())
    if missing := sorted(set(own.spec.feature_names) - set(spec.feature_names)):
        return refuse_incomparable(error, len(newest), number, missing)
    unseen = keep_answerable(own.spec, newest[newest["created_at"] > own.trained_until])
    if unseen.empty:
        return refuse_unseen(error, len(newest), number, own.trained_until)
    calibration = read_serving_calibration(Store(settings.store_dsn), spec.name, number)
    return judge(spec, pair_losses(spec, unseen, own, calibration, challenger))


def pair_losses(
    spec: ModelSpec, newest: "pd.DataFrame", champion: TrainedVersion, calibration: Calibration | None, challenger: Any
) -> PairedLosses:
    """Both on the same rows as they would answer them: the champion with its calibration, the challenger new."""
    day = newest["created_at"].dt.floor("D").astype("int64").to_numpy()
    return PairedLosses(
        day=day,
        champion=score(champion.spec, champion.stored.load(), newest, calibration),
        challenger=score(spec, challenger, newest, None),
        slices={name: newest[name].astype(str).to_numpy() for name in spec.retrain.slices},
    )


def score(spec: ModelSpec, estimator: Any, rows: "pd.DataFrame", calibration: Calibration | None) -> "Array":
    """The loss of each row."""
    features, labels = split_features(spec, rows)
    predictions = predict(spec, estimator, features)
    answers = calibration.apply(predictions) if calibration else predictions
    return measure_losses(spec, encode_labels(spec, labels), answers)


def _record(
    settings: Settings, spec: ModelSpec, client: Any, run: Any, decision: GateDecision, champion: int | None
) -> None:
    run_id = run.info.run_id
    for name in ("champion_error", "challenger_error", "ratio_lower", "ratio_upper"):
        if (value := getattr(decision, name)) is not None:
            client.log_metric(run_id, f"gate.{name}", value)
    client.set_tag(run_id, GATE_TAG, "passed" if decision.passed else "refused")
    client.set_tag(run_id, GATE_REASON_TAG, decision.reason)
    client.log_text(run_id, json.dumps(asdict(decision), indent=2), "gate.json")
    Store(settings.store_dsn).run(
        "policy/gate_record",
        run_id=run.data.tags[RUN_TAG],
        model=spec.name,
        mlflow_run_id=run_id,
        is_passed=decision.passed,
        champion_version=champion,
        champion_error=decision.champion_error,
        challenger_error=decision.challenger_error,
        ratio_lower=decision.ratio_lower,
        ratio_upper=decision.ratio_upper,
        margin=spec.retrain.gate_margin,
        row_count=decision.rows,
        day_count=decision.days,
        slices=json.dumps(decision.slices or {}),
        reason=decision.reason,
    )
