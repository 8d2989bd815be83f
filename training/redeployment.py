"""Deploying what serves once more: the same image and the same answers, with the environment of today.

A revision keeps the environment that it was deployed with. So changed keys of the clients reach the one that serves in
this way, and return after a roll-back to a revision that has older ones.
"""

import uuid
from datetime import datetime

from cyclone.calibration import Calibration
from cyclone.errors import ReleaseError
from cyclone.releases import Release, current_release, releases_under_way
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from training.calibration import deploy_calibration
from training.revision_environment import find_keys, read_keys_of


def deploy_again(
    settings: Settings, spec: ModelSpec, by: str, because: str, now: datetime, keys: str | None = None
) -> str:
    """Give all traffic to a new revision of the champion's image that answers as the present one. The revision.

    `keys` are what it asks clients for; None takes those that are configured, else those of the present one.
    Errors: `ReleaseError` when nothing serves, a release is under way, or the revision does not ask for its keys.
    """
    store = Store(settings.store_dsn)
    champion = _find_champion(store, spec)
    keys = find_keys(settings, spec) if keys is None else keys
    kept = store.fetch_one(
        "policy/calibration_carry_on",
        model=spec.name,
        version=champion.version,
        run_id=f"deployed_again__{uuid.uuid4()}",
        revision=champion.revision,
        reason=f"deployed again by {by}{f': {because}' if because else ''}; it answers as {champion.revision} did",
        asked_by=by,
        at=now,
    )
    assert kept is not None, "it has just been recorded"
    calibration = Calibration(kept["method"], tuple(kept["parameters"])) if kept["method"] else None
    return deploy_calibration(settings, spec, champion, kept["calibration_id"], calibration, now, keys)


def _find_champion(store: Store, spec: ModelSpec) -> Release:
    champion = current_release(store, spec.name)
    if champion is None:
        raise ReleaseError(f"{spec.name}: nothing has been promoted yet, so there is nothing to deploy again")
    if any(releases_under_way(store, spec.name)):
        raise ReleaseError(
            f"{spec.name}: a release is under way; end it first, with `cyclone promote {spec.name}` or"
            f" `cyclone rollback {spec.name}`"
        )
    return champion


def return_keys(settings: Settings, spec: ModelSpec, keys: str, by: str, now: datetime) -> str | None:
    """Deploy what serves once more if it was deployed with other keys than these. The revision, if so.

    Without keys nothing is done: what asks for keys goes on to ask.
    """
    champion = current_release(Store(settings.store_dsn), spec.name)
    if champion is None or not keys or read_keys_of(settings, spec, champion.revision) == keys:
        return None
    return deploy_again(settings, spec, by, "its keys were older ones", now, keys)
