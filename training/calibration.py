"""Recalibration: fit a calibration of the champion on the newest labels, and release it as a light revision.

The image stays; only the environment changes, so it takes seconds, and the revision before it stays to return to.
"""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclone.calibration import (
    Calibration,
    CalibrationChoice,
    LabelledDays,
    answer_past_days,
    choose_calibration,
    find_memory_days,
)
from cyclone.cloud_run import CloudRun
from cyclone.errors import ReleaseError, StaleReleaseError
from cyclone.evidence import read_faults
from cyclone.releases import Release, current_release, hold_releases, releases_under_way
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from training.dataset import split_features
from training.known_rows import read_known_rows
from training.release import build_environment, name_tag
from training.scores import encode_labels, predict
from training.tracking import StoredModel, connect, fetch_model
from training.train import TRAINED_UNTIL

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

log = logging.getLogger(__name__)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Recalibration:
    """What became of one: the revision that answers now, whether it is new, and why."""

    revision: str | None
    is_new: bool
    reason: str


def recalibrate(settings: Settings, spec: ModelSpec, now: datetime) -> Recalibration:
    """Fit on what is known at the beginning of `now`'s day (UTC) and release what changed; once a day, safe to repeat.

    Nothing is changed while a canary is under way or while upstream data are broken.
    """
    store = Store(settings.store_dsn)
    champion = current_release(store, spec.name)
    if champion is None or not spec.recalibrate.enabled:
        return Recalibration(None, False, "no version serves" if champion is None else "recalibrate.enabled is false")
    if any(releases_under_way(store, spec.name)):
        return Recalibration(champion.revision, False, "a release is under way")
    withdrawn = store.fetch_one("policy/calibration_withdrawn", model=spec.name, version=champion.version)
    if withdrawn:
        return Recalibration(champion.revision, False, withdrawn["reason"])
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    run_id = f"{day:%Y-%m-%d}__v{champion.version}"
    row = store.fetch_one("policy/calibration_of_run", model=spec.name, run_id=run_id)
    if row is None:
        if faults := read_faults(store, spec, now):
            return Recalibration(champion.revision, False, f"upstream data are broken ({'; '.join(faults)})")
        choice = choose_now(settings, spec, champion.version, day)
        _record(store, spec, champion, run_id, day, choice)
        row = store.fetch_one("policy/calibration_of_run", model=spec.name, run_id=run_id)
    assert row is not None, "the run has just recorded it"
    wanted = Calibration(row["method"], tuple(row["parameters"])) if row["method"] else None
    if row["revision"] is not None or wanted == read_calibration(store, spec.name, champion.revision):
        return Recalibration(champion.revision, False, row["reason"])
    revision = deploy_calibration(settings, spec, champion, row["calibration_id"], wanted, now)
    return Recalibration(revision, True, row["reason"])


def choose_now(settings: Settings, spec: ModelSpec, version: int, day: datetime) -> CalibrationChoice:
    """The calibration of a version from all labelled rows that it was not trained on, whoever answered them."""
    stored, trained_until = fetch_version(settings, spec, version)
    since = max(trained_until + timedelta(microseconds=1), day - timedelta(days=find_memory_days(spec)))
    frame = read_known_rows(settings, spec, as_of=day.isoformat(), since=since.isoformat()).frame
    if frame.empty:
        return CalibrationChoice(None, "no labelled row since its training", 0)
    return choose_calibration(spec, build_labelled_days(spec, stored.load(), frame), (day - EPOCH).days)


def build_labelled_days(spec: ModelSpec, estimator: Any, frame: "pd.DataFrame") -> LabelledDays:
    """Rows of a dataset with a version's raw predictions; days since 1970."""
    features, labels = split_features(spec, frame)
    return LabelledDays(
        day=((frame["created_at"] - EPOCH) // timedelta(days=1)).to_numpy(),
        label=encode_labels(spec, labels),
        prediction=predict(spec, estimator, features),
    )


def fetch_version(settings: Settings, spec: ModelSpec, version: int) -> tuple[StoredModel, datetime]:
    """A version's estimator and the time of the newest row that it was trained on; MLflow is asked once a version."""
    folder = settings.work_dir / "versions" / spec.name / f"v{version}"
    note = folder / "version.json"
    if not note.is_file():
        client = connect(settings)
        run_id = client.get_model_version(spec.name, str(version)).run_id
        params = client.get_run(run_id).data.params
        stored = fetch_model(settings, f"models:/{spec.name}/{version}", folder)
        content = {
            "path": str(stored.path),
            "trusted_types": stored.trusted_types,
            "trained_until": params.get(TRAINED_UNTIL, params["last_created_at"]),
        }
        note.write_text(json.dumps(content))
    known: dict[str, Any] = json.loads(note.read_text())
    return StoredModel(Path(known["path"]), known["trusted_types"]), datetime.fromisoformat(known["trained_until"])


def read_calibration(store: Store, model: str, revision: str) -> Calibration | None:
    """What a revision answers with; None for raw predictions."""
    row = store.fetch_one("policy/calibration_of_revision", model=model, revision=revision)
    return Calibration(row["method"], tuple(row["parameters"])) if row and row["method"] else None


def answer_as_served(store: Store, spec: ModelSpec, version: int, rows: LabelledDays, first: int) -> "Array":
    """As `answer_past_days`; raw when a person has withdrawn the version's calibration."""
    if store.fetch_one("policy/calibration_withdrawn", model=spec.name, version=version):
        return rows.between(first, int(rows.day[-1]) + 1).prediction
    return answer_past_days(spec, rows, first)


def deploy_calibration(
    settings: Settings,
    spec: ModelSpec,
    champion: Release,
    calibration_id: int,
    calibration: Calibration | None,
    now: datetime,
) -> str:
    """Bring up the champion's image with another calibration, and give it all traffic once it is ready.

    Errors: `StaleReleaseError` when another version took over or a canary began meanwhile; traffic is untouched.
    """
    store, cloud = Store(settings.store_dsn), CloudRun(settings)
    revision = f"{spec.service_name}-v{champion.version}-c{calibration_id}"
    env = build_environment(settings)
    if calibration is not None:
        env["CYCLONE_CALIBRATION"] = calibration.to_json()
    cloud.deploy(spec.service_name, revision, name_tag(champion), champion.image, spec.serving, env)
    with hold_releases(store, spec.name):
        present = current_release(store, spec.name)
        if present != champion or any(releases_under_way(store, spec.name)):
            raise StaleReleaseError(f"{spec.name}: another release took over while {revision} started")
        cloud.set_traffic(spec.service_name, {revision: 100})
        store.run(
            "policy/calibration_serve",
            calibration_id=calibration_id,
            release_id=champion.release_id,
            revision=revision,
            at=now,
        )
    _remove_older(store, cloud, spec, champion.revision)
    return revision


def withdraw_calibration(settings: Settings, spec: ModelSpec, by: str, because: str, now: datetime) -> str:
    """Answer raw again, in a new revision of the same image; the version is not calibrated any more. The revision.

    Errors: `ReleaseError` when the champion has no calibration, or a release is under way; traffic is untouched.
    """
    store = Store(settings.store_dsn)
    champion = current_release(store, spec.name)
    if champion is None or read_calibration(store, spec.name, champion.revision) is None:
        raise ReleaseError(f"{spec.name}: the champion has no calibration to withdraw")
    if any(releases_under_way(store, spec.name)):
        raise ReleaseError(f"{spec.name}: a release is under way; end it first")
    run_id = f"withdrawn__{champion.revision}"
    reason = f"withdrawn by {by}" + (f": {because}" if because else "")
    _record(store, spec, champion, run_id, now, CalibrationChoice(None, reason, 0), by)
    row = store.fetch_one("policy/calibration_of_run", model=spec.name, run_id=run_id)
    assert row is not None, "it has just been recorded"
    revision = deploy_calibration(settings, spec, champion, row["calibration_id"], None, now)
    store.run("policy/calibration_withdraw", model=spec.name, revision=champion.revision, at=now)
    return revision


def _record(
    store: Store,
    spec: ModelSpec,
    champion: Release,
    run_id: str,
    day: datetime,
    choice: CalibrationChoice,
    asked_by: str | None = None,
) -> None:
    found = choice.calibration
    store.run(
        "policy/calibration_insert",
        model=spec.name,
        version=champion.version,
        run_id=run_id,
        method=found.method if found else None,
        parameters=list(found.values) if found else [],
        fitted_at=day,
        row_count=choice.rows,
        error_without=choice.error_without,
        error_with=choice.error_with,
        reason=choice.reason,
        asked_by=asked_by,
    )


def _remove_older(store: Store, cloud: CloudRun, spec: ModelSpec, kept: str) -> None:
    """Remove the calibrated revision before the one that was replaced; what cannot go now goes another time."""
    row = store.fetch_one("policy/calibration_of_revision", model=spec.name, revision=kept)
    if row is None or row["replaced"] is None:
        return
    try:
        cloud.delete_revision(spec.service_name, row["replaced"])
    except ReleaseError as error:
        log.warning("%s: revision %s is left over: %s", spec.name, row["replaced"], error)
