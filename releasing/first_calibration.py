"""The first calibration of a version: it is fitted before the version's canary, and deployed with the candidate."""

from datetime import datetime

from cyclone.calibration.correction import Calibration
from cyclone.calibration.looks import read_calibration
from cyclone.names import name_revision
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import floor_day
from releasing.recalibration import choose_now, record_choice


def fit_first_calibration(
    settings: Settings, spec: ModelSpec, version: int, run_id: str, now: datetime
) -> Calibration | None:
    """The calibration that a candidate is deployed with, recorded once a run. None if it answers raw predictions.

    The champion is corrected, so a raw candidate would be compared with something else than what it will be. It is
    fitted as the champion's, on labelled rows after the version's training, known at 00:00 UTC of `now`.
    """
    store, day, revision = Store(settings.store_dsn), floor_day(now), name_revision(spec.name, version)
    if not spec.recalibrate.enabled:
        return None
    number = {"model": spec.name, "run_id": f"first__{run_id}"}
    if (row := store.fetch_one("calibration/of_run", **number)) is None:
        choice, source = choose_now(settings, spec, version, day)
        record_choice(store, spec, version, number["run_id"], day, choice, source=source)
        row = store.fetch_one("calibration/of_run", **number)
    assert row is not None, "it has just been recorded"
    store.run("calibration/name", calibration_id=row["calibration_id"], revision=revision)
    return read_calibration(store, spec.name, revision)
