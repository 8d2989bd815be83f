"""The gate scores the champion and the challenger on the same newest rows. Neither was trained on these rows."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cyclone.calibration.fitting import answer_other_days
from cyclone.losses import measure_losses
from cyclone.releases import current_release
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from training.data.dataset import Dataset, find_run_folder, read_dataset, split_newest_days
from training.fit.train import Challenger
from training.gate.labelled_days import answer_as_corrected, build_labelled_days
from training.gate.rules import GateDecision, PairedLosses, judge, pass_first, refuse_incomparable, refuse_unseen
from training.tracking.client import connect, fetch_model
from training.tracking.runs import GATE_REASON_TAG, GATE_TAG, MODEL_TAG, RUN_TAG
from training.tracking.versions import fetch_version, keep_answerable

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

GATE_FILE = "gate.json"


def compare_with_champion(
    settings: Settings, spec: ModelSpec, dataset: Dataset, challenger: Challenger
) -> GateDecision:
    """Decide whether the challenger may become a version.

    Both are scored on the newest `holdout_days` of the dataset. The answers of each are corrected by a calibration that
    is fitted on the other days, which is about what either would serve. Rows that the champion was trained on are left
    out. There are such rows if `holdout_days` was raised after the champion's training.
    The decision is written to the challenger's MLflow run and to the store.
    The champion is that of the release record, whatever MLflow's alias says. Without one the challenger passes.
    Errors: `TrackingError` when the recorded champion cannot be loaded. Then nothing is decided.
    """
    client = connect(settings)
    run = client.get_run(challenger.mlflow_run_id)
    folder = find_run_folder(settings, spec.name, run.data.tags[RUN_TAG]) / "models"
    frame = read_dataset(spec, dataset)
    fresh = fetch_model(settings, spec, run.data.tags[MODEL_TAG], folder / "challenger").load()
    champion = current_release(Store(settings.store_dsn), spec.name)
    number = champion.version if champion else None
    if number is None:
        _, newest = split_newest_days(frame, spec.retrain.holdout_days)
        decision = pass_first(measure_raw(spec, fresh, newest), len(newest))
    else:
        decision = _compare(settings, spec, frame, number, fresh)
    _record(settings, spec, client, run, decision, number)
    return decision


def measure_raw(spec: ModelSpec, estimator: Any, rows: "pd.DataFrame") -> float:
    """The mean loss of the rows, from predictions without a calibration."""
    days = build_labelled_days(spec, estimator, rows)
    return float(measure_losses(spec, days.label, days.prediction).mean())


def _compare(settings: Settings, spec: ModelSpec, frame: "pd.DataFrame", number: int, challenger: Any) -> GateDecision:
    """Compare on the rows that the champion could have answered.

    The champion reads the features and categories of its own training, which may differ from today's model.yaml.
    """
    own = fetch_version(settings, spec, number)
    _, newest = split_newest_days(frame, spec.retrain.holdout_days)
    if missing := sorted(set(own.spec.feature_names) - set(spec.feature_names)):
        return refuse_incomparable(measure_raw(spec, challenger, newest), len(newest), number, missing)
    known = keep_answerable(own.spec, frame[frame["created_at"] > own.trained_until])
    unseen = known[known["created_at"] >= newest["created_at"].iloc[0]].reset_index(drop=True)
    if unseen.empty:
        return refuse_unseen(measure_raw(spec, challenger, newest), len(newest), number, own.trained_until)
    # Both are corrected alike, from the same days. Corrections that one of them had on earlier days would favour it.
    old, new = build_labelled_days(own.spec, own.estimator, unseen), build_labelled_days(spec, challenger, unseen)
    answers = answer_as_corrected(Store(settings.store_dsn), own.spec, number, old)
    fresh = measure_losses(spec, new.label, answer_other_days(spec, new))
    slices = {name: unseen[name].astype(str).to_numpy() for name in spec.retrain.slices}
    return judge(spec, PairedLosses(new.day, measure_losses(spec, new.label, answers), fresh, slices))


def _record(
    settings: Settings, spec: ModelSpec, client: Any, run: Any, decision: GateDecision, champion: int | None
) -> None:
    run_id = run.info.run_id
    # MLflow has no metric without a value, so what a first version lacks is left out.
    for name in ("champion_error", "challenger_error", "ratio_lower", "ratio_upper"):
        if (value := getattr(decision, name)) is not None:
            client.log_metric(run_id, f"gate.{name}", value)
    client.set_tag(run_id, GATE_TAG, "passed" if decision.passed else "refused")
    client.set_tag(run_id, GATE_REASON_TAG, decision.reason)
    client.log_text(run_id, json.dumps(asdict(decision), indent=2), GATE_FILE)
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
        rule=spec.retrain.gate_rule,
        margin=spec.retrain.gate_margin,
        slice_margin=spec.retrain.slice_margin,
        row_count=decision.rows,
        day_count=decision.days,
        slices=json.dumps(decision.slices or {}),
        unjudged=json.dumps(decision.unjudged or {}),
        reason=decision.reason,
    )
