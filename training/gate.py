"""The gate: champion and challenger, scored on the same newest rows, which the challenger has never seen."""

from dataclasses import asdict, dataclass
from typing import Any

from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.dataset import Dataset, find_run_folder, read_dataset, split_features, split_newest_days
from training.scores import measure_error
from training.tracking import CHAMPION, connect, fetch_model, find_version
from training.train import MODEL_TAG, RUN_TAG, Challenger


@dataclass(frozen=True)
class GateDecision:
    """Whether a challenger may become a version, and the two errors that say so."""

    passed: bool
    champion_error: float | None
    challenger_error: float
    rows: int
    reason: str


def compare_with_champion(
    settings: Settings, spec: ModelSpec, dataset: Dataset, challenger: Challenger
) -> GateDecision:
    """Score both on the newest `holdout_days` of the dataset; the verdict is kept in the challenger's MLflow run."""
    client = connect(settings)
    run = client.get_run(challenger.mlflow_run_id)
    folder = find_run_folder(settings, run.data.tags[RUN_TAG]) / "models"
    _, newest = split_newest_days(read_dataset(spec, dataset), spec.retrain.holdout_days)
    features, labels = split_features(spec, newest)

    def score(source: str, name: str) -> float:
        return measure_error(spec, fetch_model(source, folder / name).load(), features, labels)

    champion = find_version(client, spec.name, CHAMPION)
    champion_error = score(f"models:/{spec.name}/{champion.version}", "champion") if champion else None
    challenger_error = score(run.data.tags[MODEL_TAG], "challenger")
    decision = decide(champion_error, challenger_error, spec.retrain.gate_margin, len(newest))
    _record(client, challenger.mlflow_run_id, decision)
    return decision


def decide(champion_error: float | None, challenger_error: float, margin: float, rows: int) -> GateDecision:
    """A challenger passes when its error is at most `1 + margin` times the champion's, or nothing serves yet.

    >>> decide(champion_error=10.0, challenger_error=10.4, margin=0.05, rows=72).passed
    True
    >>> decide(champion_error=10.0, challenger_error=10.6, margin=0.05, rows=72).reason
    'error 10.6 on the newest 72 rows is above the allowed 10.5 (champion 10, margin 5 %)'
    """
    if champion_error is None:
        reason = "there is no champion to compare with"
        return GateDecision(True, None, challenger_error, rows, reason)
    allowed = champion_error * (1 + margin)
    passed = challenger_error <= allowed
    reason = (
        f"error {challenger_error:.6g} on the newest {rows} rows is {'within' if passed else 'above'} the allowed "
        f"{allowed:.6g} (champion {champion_error:.6g}, margin {margin:.0%})"
    ).replace("%", " %")
    return GateDecision(passed, champion_error, challenger_error, rows, reason)


def _record(client: Any, mlflow_run_id: str, decision: GateDecision) -> None:
    for name, value in asdict(decision).items():
        if name.endswith("_error") and value is not None:
            client.log_metric(mlflow_run_id, f"gate.{name}", value)
    client.set_tag(mlflow_run_id, "cyclone.gate", "passed" if decision.passed else "refused")
    client.set_tag(mlflow_run_id, "cyclone.gate.reason", decision.reason)
