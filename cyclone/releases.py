"""The release record of a model, which says which release serves.

It moves to newer releases only, except when it is told to go back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from cyclone.errors import ReleaseError, StaleReleaseError
from cyclone.store import Row, Store, Transaction

Source = Store | Transaction
UNDER_WAY = ("candidate", "canary")
"""The states of a release that does not serve yet."""
ENDED = ("retired", "rolled_back")
"""The states of a release that does not serve any more."""


@dataclass(frozen=True)
class Release:
    """One version's way into service, and out of it. Times are event time, `traffic_percent` is from 0 to 100."""

    release_id: int
    model: str
    version: int
    revision: str
    image: str
    image_digest: str
    run_id: str
    state: str
    traffic_percent: int
    created_at: datetime
    promoted_at: datetime | None
    ended_at: datetime | None
    reason: str | None

    @property
    def is_over(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True)
class ReleaseRecord:
    """The record of a model: the release that serves, and the generation, which grows with each change."""

    release: Release
    generation: int


def current_release(store: Store, model: str) -> Release | None:
    """The release of the champion, by the record. None before the first promotion."""
    with store.transaction() as transaction:
        record = _read_record(transaction, model)
    return record.release if record else None


def release_of_run(store: Store, model: str, run_id: str) -> Release | None:
    """The release that a retraining of a model made. None when it made none."""
    return _find_one(store, model=model, run_id=run_id)


def read_release(store: Store, release_id: int) -> Release:
    """The release with a number. Errors: `ReleaseError` when there is none."""
    found = _find_one(store, release_id=release_id)
    if found is None:
        raise ReleaseError(f"release {release_id} is not in the store: `cyclone timeline <model>` shows what happened")
    return found


def releases_of_version(transaction: Transaction, model: str, version: int) -> list[Release]:
    """The releases of a version, the oldest first."""
    found = [_convert(row) for row in _find(transaction, model=model)]
    return [release for release in reversed(found) if release.version == version]


def ended_releases(store: Store, model: str) -> list[Release]:
    """The releases that are over, the newest first."""
    return [_convert(row) for row in _find(store, model=model, states=ENDED)]


def retired_releases(store: Store, champion: Release) -> list[Release]:
    """The earlier champions that a roll-back can return to, the newest first. Those rolled back are not among them."""
    found = [_convert(row) for row in _find(store, model=champion.model, states=("retired",))]
    return [release for release in found if release.release_id < champion.release_id]


def releases_under_way(store: Store, model: str) -> tuple[list[Release], list[Release]]:
    """The candidates and canaries of a model, the newest first.

    The first list has those that a retraining still leads. The second has those that nobody leads any more.
    """
    rows = _find(store, model=model, states=UNDER_WAY)
    led = [_convert(row) for row in rows if not row["is_abandoned"]]
    return led, [_convert(row) for row in rows if row["is_abandoned"]]


def split_traffic(champion: Release, led: Sequence[Release]) -> dict[str, int]:
    """The percent of the traffic that the record gives each revision. Canaries have their share, the champion the rest.

    `led` are the releases on their way that a retraining leads.
    """
    percents = {item.revision: item.traffic_percent for item in led if item.traffic_percent}
    return {**percents, champion.revision: 100 - sum(percents.values())}


def create_candidate(
    store: Store,
    model: str,
    version: int,
    revision: str,
    image: str,
    image_digest: str,
    run_id: str,
    created_at: datetime,
) -> Release:
    """Record the candidate of a run, and return its release. A repeated call returns the first one.

    If the run's retraining had ended and was cleared in Airflow, its end is taken back, because it goes on.
    Errors: `ReleaseError` when the run has already released another version or image, or its model was retired
    meanwhile.
    """
    with store.transaction() as transaction:
        _check_not_retired(transaction, model, run_id)
        transaction.run("policy/retraining_reopen", model=model, run_id=run_id)
        transaction.run(
            "release/candidate_insert",
            model=model,
            version=version,
            revision=revision,
            image=image,
            image_digest=image_digest,
            run_id=run_id,
            created_at=created_at,
        )
        found = _find_one(transaction, model=model, run_id=run_id)
    assert found is not None, "it has just been recorded, or was before"
    if found.version != version:
        raise ReleaseError(
            f"run {run_id} has released another version already: version {found.version} as {found.revision}. It cannot"
            f" release version {version} of {model}: ask for a new run with `cyclone retrain {model}`"
        )
    if found.image_digest != image_digest:
        raise ReleaseError(
            f"{model}: run {run_id} has deployed version {version} already, of the image {found.image_digest}, and now"
            f" brings {image_digest}. End that candidate with `cyclone rollback {model}`, and ask for a new run with"
            f" `cyclone retrain {model}`"
        )
    return found


def note_share(store: Store, release: Release, percent: int) -> None:
    """Record that a candidate has `percent` of the traffic, and the champion the rest.

    Errors: `ReleaseError` when the release is no candidate or canary any more.
    """
    with store.transaction() as transaction:
        noted = transaction.run("release/share_set", release_id=release.release_id, traffic_percent=percent)
        if not noted:
            raise ReleaseError(
                f"{release.model}: release {release.release_id} ({release.revision}) is no candidate any more:"
                f" `cyclone timeline {release.model}` shows how it ended"
            )
        transaction.run("release/champion_share_set", model=release.model)


def check_promotable(store: Store, release: Release) -> None:
    """Check that a release may be promoted.

    Errors: `StaleReleaseError` when a newer release holds the record. `ReleaseError` when this release is over.
    """
    with store.transaction() as transaction:
        _check_promotable(release, _read_record(transaction, release.model))


def promote_release(store: Store, release: Release, at: datetime) -> None:
    """Point the record to `release` and retire the champion before it, in one transaction.

    A repeated call changes nothing.
    Errors: `StaleReleaseError` when a newer release holds the record, or took it meanwhile. `ReleaseError` when this
    release was rolled back. After an error nothing has changed.
    """
    with store.transaction() as transaction:
        record = _read_record(transaction, release.model)
        _check_promotable(release, record)
        if record is not None and record.release.release_id == release.release_id:
            return
        _move_record(transaction, release, record.generation if record else None, at)


def restore_release(store: Store, release: Release, champion: Release, at: datetime, reason: str) -> None:
    """Point the record back to the older `release`, and roll back all releases after it, in one transaction.

    Errors: `StaleReleaseError` when `champion` does not hold the record any more.
    """
    with store.transaction() as transaction:
        record = _read_record(transaction, release.model)
        if record is None or record.release.release_id != champion.release_id:
            raise StaleReleaseError(
                f"{release.model}: release {champion.release_id} is not the champion any more."
                f" Look at `cyclone timeline {release.model}` and decide again"
            )
        target = {"model": release.model, "release_id": release.release_id}
        transaction.run("release/later_roll_back", **target, at=at, reason=reason)
        _move_record(transaction, release, record.generation, at)


def mark_rolled_back(store: Store, release: Release, at: datetime, reason: str) -> None:
    """Record that a candidate was rolled back and that the champion has its traffic again. The first reason stays."""
    with store.transaction() as transaction:
        transaction.run("release/roll_back", release_id=release.release_id, at=at, reason=reason)
        transaction.run("release/champion_share_set", model=release.model)


def retire_releases(
    store: Store, model: str, at: datetime, asked_by: str, because: str
) -> tuple[int | None, list[str]] | None:
    """End every release of a model, take its record away, and record who retired it, in one transaction.

    Return the version that served and the runs of the retrainings under way. None when nothing was left to retire.
    """
    with store.transaction() as transaction:
        row = transaction.fetch_one("retirement/record", model=model, at=at, asked_by=asked_by, because=because)
        reason = f"the model was retired by {asked_by}: {because}"
        transaction.run("retirement/releases_end", model=model, at=at, reason=reason)
    return (row["version"], row["ended_runs"]) if row else None


def _check_not_retired(transaction: Transaction, model: str, run_id: str) -> None:
    retired = transaction.fetch_one("retirement/of_run", model=model, run_id=run_id)
    if retired is not None:
        raise ReleaseError(
            f"{model} was retired by {retired['asked_by']} while run {run_id} was under way ({retired['because']}), so"
            f" this run releases nothing. `cyclone retrain {model}` brings the model back"
        )


def _check_promotable(release: Release, record: ReleaseRecord | None) -> None:
    if record is not None and record.release.release_id > release.release_id:
        raise StaleReleaseError(
            f"{release.model}: release {release.release_id} ({release.revision}) is older than the champion, "
            f"release {record.release.release_id} ({record.release.revision})"
        )
    if record is not None and record.release.version > release.version:
        raise StaleReleaseError(
            f"{release.model}: version {release.version} was registered before the champion, version"
            f" {record.release.version}. Ask for a new one with `cyclone retrain {release.model}`"
        )
    if release.is_over:
        raise ReleaseError(
            f"{release.model}: release {release.release_id} ({release.revision}) is {release.state}: {release.reason}"
        )


def _move_record(transaction: Transaction, release: Release, generation: int | None, at: datetime) -> None:
    """Move the record, if nobody has moved it since it was read with `generation`.

    Errors: `StaleReleaseError` when somebody has. The caller then rolls its own work back.
    """
    target = {"model": release.model, "release_id": release.release_id}
    if generation is None:
        moved = transaction.run("release/record_create", **target)
    else:
        moved = transaction.run("release/record_swap", **target, generation=generation)
    if not moved:
        raise StaleReleaseError(f"{release.model}: another release took the record while {release.revision} tried")
    if not transaction.run("release/champion_set", release_id=release.release_id, at=at):
        raise ReleaseError(f"{release.model}: release {release.release_id} was rolled back meanwhile")
    transaction.run("release/others_retire", **target, at=at)
    transaction.run("release/champion_share_set", model=release.model)


def _read_record(transaction: Transaction, model: str) -> ReleaseRecord | None:
    row = transaction.fetch_one("release/record", model=model)
    release = _find_one(transaction, release_id=row["release_id"]) if row else None
    return ReleaseRecord(release, row["generation"]) if row and release else None


def _find_one(
    source: Source, model: str | None = None, run_id: str | None = None, release_id: int | None = None
) -> Release | None:
    found = _find(source, model=model, run_id=run_id, release_id=release_id)
    return _convert(found[0]) if found else None


def _find(
    source: Source,
    model: str | None = None,
    run_id: str | None = None,
    release_id: int | None = None,
    states: Sequence[str] | None = None,
) -> list[Row]:
    asked = list(states) if states else None
    return source.fetch("release/find", model=model, run_id=run_id, release_id=release_id, states=asked)


def _convert(row: Row) -> Release:
    return Release(**{field.name: row[field.name] for field in fields(Release)})
