"""The release record: which release serves a model. It only ever moves to a newer one, or back when told to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime

from cyclone.errors import ReleaseError, StaleReleaseError
from cyclone.store import Row, Store, Transaction

Source = Store | Transaction
UNDER_WAY = ("candidate", "canary")
ENDED = ("retired", "rolled_back")


@dataclass(frozen=True)
class Release:
    """One version on its way into, in, or out of service. Times are event time."""

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
    """The release that a model's record names, and how often the record has moved to come there."""

    release: Release
    generation: int


def current_release(store: Store, model: str) -> Release | None:
    """The champion that the record names; None before the first promotion."""
    with store.transaction() as transaction:
        record = _read_record(transaction, model)
    return record.release if record else None


def release_of_run(store: Store, run_id: str) -> Release | None:
    """The release that a retraining made; None when it made none."""
    return _find_one(store, run_id=run_id)


def read_release(store: Store, release_id: int) -> Release:
    """One release. Errors: `ReleaseError` when there is none with this number."""
    found = _find_one(store, release_id=release_id)
    if found is None:
        raise ReleaseError(f"release {release_id} is not in the store")
    return found


def releases_of_version(transaction: Transaction, model: str, version: int) -> list[Release]:
    """The releases of a version, the oldest first."""
    found = [_convert(row) for row in _find(transaction, model=model)]
    return [release for release in reversed(found) if release.version == version]


def ended_releases(store: Store, model: str) -> list[Release]:
    """The releases that are over, the newest first."""
    return [_convert(row) for row in _find(store, model=model, states=ENDED)]


def retired_releases(store: Store, champion: Release) -> list[Release]:
    """The champions before `champion` that were not rolled back, the newest first: one can return to them."""
    found = [_convert(row) for row in _find(store, model=champion.model, states=("retired",))]
    return [release for release in found if release.release_id < champion.release_id]


def releases_under_way(store: Store, model: str) -> tuple[list[Release], list[Release]]:
    """Candidates and canaries, the newest first: those that somebody leads, and those that nobody does any more."""
    rows = _find(store, model=model, states=UNDER_WAY)
    led = [_convert(row) for row in rows if not row["is_abandoned"]]
    return led, [_convert(row) for row in rows if row["is_abandoned"]]


@contextmanager
def hold_releases(store: Store, model: str) -> Iterator[None]:
    """Nobody else moves this model's traffic and record meanwhile; a process that dies lets go."""
    with store.transaction() as transaction:
        transaction.fetch_one("release/lock", model=model)
        yield


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
    """The candidate of a run, noted once: a second call returns the first's."""
    with store.transaction() as transaction:
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
        found = _find_one(transaction, run_id=run_id)
    if found is None or (found.model, found.version) != (model, version):
        raise ReleaseError(f"run {run_id} has released another version already: {found}")
    return found


def note_share(store: Store, release: Release, percent: int) -> None:
    """Note that a candidate has `percent` of the traffic, and the champion the rest."""
    with store.transaction() as transaction:
        noted = transaction.run("release/share_set", release_id=release.release_id, traffic_percent=percent)
        if not noted:
            raise ReleaseError(f"release {release.release_id} ({release.revision}) is no candidate any more")
        transaction.run("release/champion_share_set", model=release.model, traffic_percent=100 - percent)


def check_promotable(store: Store, release: Release) -> None:
    """Errors: `StaleReleaseError` when a newer release holds the record, `ReleaseError` when this one is over."""
    with store.transaction() as transaction:
        _check_promotable(release, _read_record(transaction, release.model))


def promote_release(store: Store, release: Release, at: datetime) -> None:
    """Let the record name `release` and retire the champion before it, together; a second call changes nothing.

    Errors: `StaleReleaseError` when a newer release holds the record or took it meanwhile, `ReleaseError` when
    this one was rolled back; nothing is changed then.
    """
    with store.transaction() as transaction:
        record = _read_record(transaction, release.model)
        _check_promotable(release, record)
        if record is not None and record.release.release_id == release.release_id:
            return
        _move_record(transaction, release, record.generation if record else None, at)


def restore_release(store: Store, release: Release, champion: Release, at: datetime, reason: str) -> None:
    """Let the record name the older `release` again, and note why all after it are over, together."""
    with store.transaction() as transaction:
        record = _read_record(transaction, release.model)
        if record is None or record.release.release_id != champion.release_id:
            raise StaleReleaseError(f"{release.model}: release {champion.release_id} is not the champion any more")
        target = {"model": release.model, "release_id": release.release_id}
        transaction.run("release/later_roll_back", **target, at=at, reason=reason)
        _move_record(transaction, release, record.generation, at)


def mark_rolled_back(store: Store, release: Release, at: datetime, reason: str) -> None:
    """Note that a candidate is over. The first reason counts, and the champion has all the traffic again."""
    with store.transaction() as transaction:
        transaction.run("release/roll_back", release_id=release.release_id, at=at, reason=reason)
        transaction.run("release/champion_share_set", model=release.model, traffic_percent=100)


def _check_promotable(release: Release, record: ReleaseRecord | None) -> None:
    if record is not None and record.release.release_id > release.release_id:
        raise StaleReleaseError(
            f"{release.model}: release {release.release_id} ({release.revision}) is older than the champion, "
            f"release {record.release.release_id} ({record.release.revision})"
        )
    if release.is_over:
        raise ReleaseError(
            f"{release.model}: release {release.release_id} ({release.revision}) is {release.state}: {release.reason}"
        )


def _move_record(transaction: Transaction, release: Release, generation: int | None, at: datetime) -> None:
    """Swap by comparison: whoever read an older generation has lost, and rolls its own work back."""
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


def _read_record(transaction: Transaction, model: str) -> ReleaseRecord | None:
    row = transaction.fetch_one("release/record", model=model)
    release = _find_one(transaction, release_id=row["release_id"]) if row else None
    return ReleaseRecord(release, row["generation"]) if row and release else None


def _find_one(source: Source, run_id: str | None = None, release_id: int | None = None) -> Release | None:
    found = _find(source, run_id=run_id, release_id=release_id)
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
