"""Redeployment: what serves is deployed once more, with the same image and answers and with the environment of today.

A revision keeps the environment that it was deployed with. So only a new revision gets changed keys of the clients. The
same is needed after a roll-back to a revision with older keys.
"""

import uuid
from datetime import datetime

from cyclone.calibration.correction import Calibration
from cyclone.errors import ReleaseError
from cyclone.image_contract import API_KEYS_VARIABLE
from cyclone.releases import current_release, releases_under_way
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.cloud_run import CloudRun
from releasing.recalibration import deploy_calibration
from releasing.revision_environment import find_keys, read_keys_of


def deploy_again(
    settings: Settings, spec: ModelSpec, by: str, because: str, now: datetime, keys: str | None = None
) -> str:
    """Give all traffic to a new revision of the champion's image, and return its name. It answers as the present one.

    The new revision asks clients for `keys`. None stands for the configured keys, or else the keys of the present
    revision. An empty text stands for no keys.
    Errors: `ReleaseError` when nothing serves, a release is under way, the revision does not ask for its keys, or a
    secret would give it keys although it is to have none.
    """
    store = Store(settings.store_dsn)
    champion = current_release(store, spec.name)
    if champion is None:
        raise ReleaseError(
            f"{spec.name}: nothing has been promoted yet, so there is nothing to deploy again. `cyclone retrain"
            f" {spec.name}` asks for a first version"
        )
    if any(releases_under_way(store, spec.name)):
        raise ReleaseError(
            f"{spec.name}: a release is under way. End it first with `cyclone promote {spec.name}` or `cyclone rollback"
            f" {spec.name}`"
        )
    keys = find_keys(settings, spec) if keys is None else keys
    if not keys and (secret := CloudRun(settings).find_secret(spec.service_name, champion.revision, API_KEYS_VARIABLE)):
        raise ReleaseError(
            f"{spec.name}: its keys come from {secret}, which every new revision keeps. Take {API_KEYS_VARIABLE} away"
            " from the service and from the deployment configuration first"
        )
    kept = store.fetch_one(
        "calibration/carry_on",
        model=spec.name,
        version=champion.version,
        run_id=f"deployed_again__{uuid.uuid4()}",
        revision=champion.revision,
        reason=f"deployed again by {by}{f': {because}' if because else ''}, and answers as {champion.revision} did",
        asked_by=by,
        at=now,
    )
    assert kept is not None, "it has just been recorded"
    calibration = Calibration(kept["method"], tuple(kept["parameters"])) if kept["method"] else None
    return deploy_calibration(settings, spec, champion, kept["calibration_id"], calibration, now, keys)


def return_keys(settings: Settings, spec: ModelSpec, keys: str, by: str, now: datetime) -> str | None:
    """Deploy what serves once more if it was deployed with other keys. The name of the new revision, or None.

    With empty `keys` nothing is done. So a revision that asks for keys never becomes open in this way.
    """
    champion = current_release(Store(settings.store_dsn), spec.name)
    if champion is None or not keys or read_keys_of(settings, spec, champion.revision) == keys:
        return None
    return deploy_again(settings, spec, by, "its keys were older ones", now, keys)
