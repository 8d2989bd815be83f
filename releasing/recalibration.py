"""Recalibration: a calibration of the champion is fitted on the newest labels, and released as a light release.

The image stays the same and only the environment changes, so it takes seconds. The revision before it is kept to return
to.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cyclone.calibration.correction import Calibration
from cyclone.calibration.fitting import CalibrationChoice, choose_calibration
from cyclone.calibration.looks import find_rest, read_calibration, read_look
from cyclone.clock import read_now
from cyclone.errors import ReleaseError, StaleReleaseError
from cyclone.names import is_revision_of, name_revision, name_tag
from cyclone.policy.evidence import read_faults
from cyclone.releases import Release, current_release, read_release, releases_under_way, split_traffic
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import count_days, floor_day
from cyclone.wording import join_clauses
from releasing.cloud_run import CloudRun
from releasing.lock import LockedReleases, hold_releases
from releasing.revision_environment import build_environment, check_keys_are_asked_for, find_keys
from releasing.revisions.deployment import read_deployment
from releasing.revisions.invocation import build_caller_headers
from training.gate.labelled_days import build_labelled_days, read_untrained
from training.images.image import locate_image
from training.tracking.versions import fetch_version

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recalibration:
    """The result of a recalibration: the revision that answers now, whether it is new, and why.

    `version` is the version that a new revision corrects.
    """

    revision: str | None
    is_new: bool
    reason: str
    version: int | None = None


def recalibrate(settings: Settings, spec: ModelSpec, now: datetime) -> Recalibration:
    """Fit a calibration every `every_days` on what is known at 00:00 UTC of `now`, and release it if it changed.

    It can be repeated. Nothing is changed while a canary is under way or while upstream data are broken.
    Errors: those of `deploy_calibration`.
    """
    store = Store(settings.store_dsn)
    champion = current_release(store, spec.name)
    if champion is None:
        return Recalibration(None, False, "no version serves")
    if reason := find_rest(store, spec, champion):
        return Recalibration(champion.revision, False, reason)
    day = floor_day(now)
    look = read_look(store, spec, champion, day)
    if look is None:
        if faults := read_faults(store, spec, now):
            return Recalibration(champion.revision, False, f"upstream data are broken ({join_clauses(faults)})")
        choice, source = choose_now(settings, spec, champion.version, day)
        record_choice(
            store, spec, champion.version, f"{day:%Y-%m-%d}__{name_tag(champion.version)}", day, choice, source=source
        )
        look = read_look(store, spec, champion, day)
    assert look is not None, "it has just been recorded"
    if look.is_settled:
        return Recalibration(champion.revision, False, look.reason)
    revision = deploy_calibration(settings, spec, champion, look.calibration_id, look.calibration, now)
    return Recalibration(revision, True, look.reason, champion.version)


@dataclass(frozen=True)
class Source:
    """The rows that a calibration was fitted on: those created from `since` on, with their fingerprint."""

    since: datetime
    fingerprint: str


def choose_now(settings: Settings, spec: ModelSpec, version: int, day: datetime) -> tuple[CalibrationChoice, Source]:
    """The calibration of a version at `day`, and the rows it was fitted on.

    These are all labelled rows that the version was not trained on, whichever version answered them.
    """
    own = fetch_version(settings, spec, version)
    known, since = read_untrained(settings, own, day)
    source = Source(since, known.fingerprint)
    if known.frame.empty:
        return CalibrationChoice(None, "no labelled row since its training", 0), source
    rows = build_labelled_days(own.spec, own.estimator, known.frame)
    return choose_calibration(own.spec, rows, count_days(day)), source


def deploy_calibration(
    settings: Settings,
    spec: ModelSpec,
    champion: Release,
    calibration_id: int,
    calibration: Calibration | None,
    now: datetime,
    keys: str | None = None,
) -> str:
    """Deploy the champion's image with another calibration, and give it all traffic once it is ready. Its revision.

    The new revision asks clients for `keys`. None stands for the configured keys, or else the champion's.
    Errors: `StaleReleaseError` when another version took over or a canary began meanwhile. `ReleaseError` when the
    revision does not get ready or answers without a key. Then traffic is as it was.
    """
    store = Store(settings.store_dsn)
    revision = name_revision(spec.name, champion.version, calibration_id)
    keys = find_keys(settings, spec) if keys is None else keys
    _bring_up(settings, spec, champion, revision, calibration, keys)
    with hold_releases(store, spec.name) as held:
        try:
            _check_serves_alone(held, champion, revision)
        except StaleReleaseError:
            _take_back(settings, spec, held, champion, revision)
            raise
        # The store learns the revision before it can answer. Else a process that dies in between would leave rows in
        # the log that seem to be raw.
        held.run("calibration/name", calibration_id=calibration_id, revision=revision)
        CloudRun(settings, held).set_traffic(spec.service_name, {revision: 100})
        held.run(
            "calibration/serve",
            calibration_id=calibration_id,
            release_id=champion.release_id,
            revision=revision,
            at=now,
        )
        _remove_others(settings, spec, held, champion, {revision, champion.revision})
    return revision


@dataclass(frozen=True)
class ServesAlone:
    """A fence that lets the champion be deployed once more as long as it serves as it did, without a release beside."""

    store: Store
    champion: Release
    revision: str
    number: int = 0

    def check(self) -> None:
        """Read the record again. Errors: `StaleReleaseError` when another release serves, or one is under way."""
        _check_serves_alone(self.store, self.champion, self.revision)


def _check_serves_alone(store: Store, champion: Release, revision: str) -> None:
    present = current_release(store, champion.model)
    if present != champion or any(releases_under_way(store, champion.model)):
        raise StaleReleaseError(
            f"{champion.model}: another release took over while {revision} started, so it was not released. The next"
            " recalibration fits the version that serves then"
        )


def _bring_up(
    settings: Settings, spec: ModelSpec, champion: Release, revision: str, calibration: Calibration | None, keys: str
) -> None:
    """Deploy a revision of the champion's image behind the version's tag.

    This holds no lock, because a start takes minutes. Each change of the service is made only if nobody has changed it
    since the champion was found to serve alone.
    Errors: `ReleaseError` when it does not get ready, or answers without a key. Then it is taken back.
    """
    store, tag = Store(settings.store_dsn), name_tag(champion.version)
    cloud = CloudRun(settings, ServesAlone(store, champion, revision))
    serving = cloud.read_serving(spec.service_name, champion.revision, spec.serving)  # what its canary was judged with
    env = build_environment(settings, keys, calibration)
    source = locate_image(settings, champion.image)
    deployment = read_deployment(settings, spec.name)
    running = cloud.deploy(spec.service_name, revision, tag, source, serving, env, deployment)
    try:
        check_keys_are_asked_for(
            keys, revision, running.tag_addresses[tag], lambda: build_caller_headers(cloud, spec.service_name)
        )
    except ReleaseError:
        with hold_releases(store, spec.name) as held:
            _take_back(settings, spec, held, champion, revision)
        raise


def _take_back(settings: Settings, spec: ModelSpec, held: LockedReleases, champion: Release, revision: str) -> None:
    """Let the version's tag point to the revision of the record, and remove the revision that came too late.

    Cloud Run does not delete the newest revision of a service. That one goes with the next calibration or the version.
    """
    cloud, kept = CloudRun(settings, held), read_release(held, champion.release_id).revision
    if kept == revision:
        return  # another run of the same day has released this revision
    try:
        cloud.move_tag(spec.service_name, name_tag(champion.version), kept)
        cloud.delete_revision(spec.service_name, revision)
    except ReleaseError as error:
        log.warning("%s: %s is left over: %s", spec.name, revision, error)


def withdraw_calibration(settings: Settings, spec: ModelSpec, by: str, because: str, now: datetime) -> str:
    """Answer raw again, in a new revision of the same image, and return its name.

    The version is not calibrated again.
    Errors: `ReleaseError` when the champion has no calibration or a release is under way. Then traffic is as it was.
    """
    store = Store(settings.store_dsn)
    champion = current_release(store, spec.name)
    if champion is None or read_calibration(store, spec.name, champion.revision) is None:
        raise ReleaseError(f"{spec.name}: the champion has no calibration to withdraw, so it answers raw already")
    if any(releases_under_way(store, spec.name)):
        raise ReleaseError(
            f"{spec.name}: a release is under way. End it first with `cyclone promote {spec.name}` or `cyclone rollback"
            f" {spec.name}`"
        )
    run_id = f"withdrawn__{champion.revision}"
    reason = f"withdrawn by {by}" + (f": {because}" if because else "")
    record_choice(store, spec, champion.version, run_id, now, CalibrationChoice(None, reason, 0), asked_by=by)
    row = store.fetch_one("calibration/of_run", model=spec.name, run_id=run_id)
    assert row is not None, "it has just been recorded"
    revision = deploy_calibration(settings, spec, champion, row["calibration_id"], None, now)
    withdrawn = {"model": spec.name, "revision": champion.revision}
    store.run("calibration/withdraw", **withdrawn, because=reason, at=now)
    return revision


def roll_back_calibration(settings: Settings, spec: ModelSpec, reason: str) -> str | None:
    """Return to the revision that the serving calibration replaced, and return its name.

    The version is not calibrated again. It is None if no fitted calibration serves, or the revision before it is gone.
    """
    with hold_releases(Store(settings.store_dsn), spec.name) as held:
        cloud, champion = CloudRun(settings, held), current_release(held, spec.name)
        revision = champion.revision if champion else ""
        row = held.fetch_one("calibration/of_revision", model=spec.name, revision=revision)
        if champion is None or row is None or row["asked_by"] is not None:
            return None
        before: str | None = row["replaced"]
        if before is None or before not in cloud.list_revisions(spec.service_name):
            return None
        led, _ = releases_under_way(held, spec.name)
        cloud.set_traffic(spec.service_name, split_traffic(replace(champion, revision=before), led))
        cloud.move_tag(spec.service_name, name_tag(champion.version), before)
        at, because = read_now(held, settings, spec.name), f"rolled back {reason}"
        taken = {"release_id": champion.release_id, "revision": revision}
        held.run("calibration/return", **taken, because=because, at=at)
    return before


def record_choice(
    store: Store,
    spec: ModelSpec,
    version: int,
    run_id: str,
    day: datetime,
    choice: CalibrationChoice,
    *,
    asked_by: str | None = None,
    source: Source | None = None,
) -> None:
    found = choice.calibration
    store.run(
        "calibration/insert",
        model=spec.name,
        version=version,
        run_id=run_id,
        method=found.method if found else None,
        parameters=list(found.values) if found else [],
        fitted_at=day,
        row_count=choice.rows,
        error_without=choice.error_without,
        error_with=choice.error_with,
        reason=choice.reason,
        asked_by=asked_by,
        since=source.since if source else None,
        fingerprint=source.fingerprint if source else None,
    )


def _remove_others(
    settings: Settings, spec: ModelSpec, held: LockedReleases, champion: Release, kept: set[str]
) -> None:
    """Remove the revisions of a version except those to keep. What cannot go now goes with the next calibration."""
    cloud = CloudRun(settings, held)
    try:
        for revision in set(cloud.list_revisions(spec.service_name)) - kept:
            if is_revision_of(revision, spec.name, champion.version):
                cloud.delete_revision(spec.service_name, revision)
    except ReleaseError as error:
        log.warning("%s: revisions of version %s are left over: %s", spec.name, champion.version, error)
