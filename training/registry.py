"""Registration of a challenger that passed its gate: a version in MLflow, and its reference profile in the store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cyclone.clock import read_now
from cyclone.errors import ReleaseError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store, Transaction
from training.fit.train import NULLS_FILE, PROFILE_FILE, Challenger
from training.gate.rules import GateDecision
from training.images.image import Image
from training.tracking.client import CHALLENGER, connect, require_answer
from training.tracking.runs import (
    CALIBRATION_TAG,
    DIGEST_TAG,
    GATE_REASON_TAG,
    IMAGE_TAG,
    LINEAGE_TAGS,
    MODEL_TAG,
    REVISION_TAG,
)
from training.tracking.versions import read_run


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of the MLflow registered model of the same name, and the MLflow run of its training."""

    version: int
    mlflow_run_id: str


def register_challenger(
    settings: Settings, spec: ModelSpec, challenger: Challenger, gate: GateDecision
) -> RegisteredVersion:
    """Make the challenger a version with the alias `challenger`, and write its profile to the store.

    An MLflow run becomes one version, however often this is called. A number that the store knows of another run is
    passed over. An MLflow that was set up anew counts from 1 again.
    Errors: `ReleaseError` when the gate refused the challenger. Then nothing is registered.
    """
    if not gate.passed:
        raise ReleaseError(
            f"{spec.name}: MLflow run {challenger.mlflow_run_id} cannot be registered, because the gate refused it:"
            f" {gate.reason}. Retrain with `cyclone retrain {spec.name}` when more labels have come"
        )
    client = connect(settings)
    while (version := _find_version_of_run(settings, client, spec.name, challenger.mlflow_run_id)) is None:
        _create_version(client, spec, challenger, gate)
    _store_profile(settings, spec, challenger, version)
    client.set_registered_model_alias(spec.name, CHALLENGER, str(version))
    return RegisteredVersion(version, challenger.mlflow_run_id)


def note_image(settings: Settings, spec: ModelSpec, version: int, image: Image) -> None:
    """Note in MLflow, at the version and its run, the image that serves the version. It can run twice."""
    _note(settings, spec, version, {IMAGE_TAG: image.reference, DIGEST_TAG: image.digest})


def note_revision(settings: Settings, spec: ModelSpec, version: int, revision: str) -> None:
    """Note in MLflow, at the version and its run, the revision that answers with the version. It can run twice."""
    _note(settings, spec, version, {REVISION_TAG: revision})


def note_calibration(settings: Settings, spec: ModelSpec, version: int, revision: str, reason: str) -> None:
    """Note in MLflow, at the version and its run, the revision with its calibration and why it was fitted.

    Errors: `TrackingError` when MLflow does not answer.
    """
    require_answer(settings)
    _note(settings, spec, version, {REVISION_TAG: revision, CALIBRATION_TAG: reason})


def _note(settings: Settings, spec: ModelSpec, version: int, tags: Mapping[str, str]) -> None:
    client = connect(settings)
    run_id = client.get_model_version(spec.name, str(version)).run_id
    for name, value in tags.items():
        client.set_model_version_tag(spec.name, str(version), name, value)
        client.set_tag(run_id, name, value)


def _find_version_of_run(settings: Settings, client: Any, model: str, mlflow_run_id: str) -> int | None:
    found = client.search_model_versions(f"name = '{model}' and run_id = '{mlflow_run_id}'")
    numbers = [int(item.version) for item in found]
    # Two tasks at once could have made two versions of one run. All go by the first.
    return min((item for item in numbers if read_run(settings, model, item) in (None, mlflow_run_id)), default=None)


def _create_version(client: Any, spec: ModelSpec, challenger: Challenger, gate: GateDecision) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(spec.name, description=spec.description)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = client.get_run(challenger.mlflow_run_id).data.tags
    client.create_model_version(
        spec.name,
        source=tags[MODEL_TAG],
        run_id=challenger.mlflow_run_id,
        model_id=tags[MODEL_TAG].removeprefix("models:/"),
        tags={**{name: tags[name] for name in LINEAGE_TAGS if name in tags}, GATE_REASON_TAG: gate.reason},
    )


def _store_profile(settings: Settings, spec: ModelSpec, challenger: Challenger, version: int) -> None:
    import mlflow

    bins, nulls = (
        mlflow.artifacts.load_text(f"runs:/{challenger.mlflow_run_id}/{name}") for name in (PROFILE_FILE, NULLS_FILE)
    )
    # The accepted error is in the profile itself, and a bias has a sign, so it is no error.
    errors = {name: value for name, value in challenger.metrics.items() if name not in ("accepted_error", "bias")}
    store = Store(settings.store_dsn)
    created_at = read_now(store, settings, spec.name)
    with store.transaction() as transaction:
        transaction.run(
            "training/profile_insert",
            model=spec.name,
            version=version,
            mlflow_run_id=challenger.mlflow_run_id,
            metric=spec.error_metric,
            accepted_error=challenger.accepted_error,
            sample_size=challenger.training_rows,
            created_at=created_at,
        )
        _check_same_run(transaction, spec.name, version, challenger.mlflow_run_id)
        transaction.run("training/profile_bins_insert", model=spec.name, version=version, bins=bins)
        transaction.run("training/profile_nulls_insert", model=spec.name, version=version, nulls=nulls)
        transaction.run("training/profile_errors_insert", model=spec.name, version=version, errors=json.dumps(errors))


def _check_same_run(transaction: Transaction, model: str, version: int, mlflow_run_id: str) -> None:
    """Refuse a profile for a version that the store knows of another MLflow run: nothing may be mixed."""
    known = transaction.fetch_one("lineage/version", model=model, version=version)
    if known is not None and known["mlflow_run_id"] != mlflow_run_id:
        raise ReleaseError(
            f"{model}: the store knows version {version} of MLflow run {known['mlflow_run_id']}, so it is not of"
            f" {mlflow_run_id}. Clear the task `register` of this run in Airflow, which then takes the next free number"
        )
