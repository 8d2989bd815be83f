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
from training.gate_rules import GateDecision, PairedLosses, judge, pass_first
from training.mlflow_run import GATE_REASON_TAG, GATE_TAG, MODEL_TAG, RUN_TAG
from training.scores import encode_labels, predict
from training.tracking import CHAMPION, connect, fetch_model, find_version
from training.train import Challenger

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


def compare_with_champion(
    settings: Settings, spec: ModelSpec, dataset: Dataset, challenger: Challenger
) -> GateDecision:
    """Score both on the newest `holdout_days` of the dataset, as they would answer: the champion as it is calibrated.

    MLflow's run and the store keep the decision.
    """
    client = connect(settings)
    run = client.get_run(challenger.mlflow_run_id)
    folder = find_run_folder(settings, run.data.tags[RUN_TAG]) / "models"
    _, newest = split_newest_days(read_dataset(spec, dataset), spec.retrain.holdout_days)
    champion = find_version(client, spec.name, CHAMPION)
    fresh = fetch_model(settings, run.data.tags[MODEL_TAG], folder / "challenger").load()
    if champion is None:
        losses = score(spec, fresh, newest, None)
        decision = pass_first(float(losses.mean()), len(newest))
    else:
        serving = fetch_model(settings, f"models:/{spec.name}/{champion.version}", folder / "champion").load()
        calibration = read_serving_calibration(Store(settings.store_dsn), spec.name, int(champion.version))
        decision = judge(spec, pair_losses(spec, newest, serving, calibration, fresh))
    _record(settings, spec, client, run, decision, int(champion.version) if champion else None)
    return decision


def pair_losses(
    spec: ModelSpec, newest: "pd.DataFrame", champion: Any, calibration: Calibration | None, challenger: Any
) -> PairedLosses:
    """Both on the same rows as they would answer them: the champion with its calibration, the challenger new."""
    day = newest["created_at"].dt.floor("D").astype("int64").to_numpy()
    return PairedLosses(
        day=day,
        champion=score(spec, champion, newest, calibration),
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
