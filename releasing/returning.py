"""The return to what served before, whoever asks for it: a person at a terminal, or an alert."""

from collections.abc import Callable

from cyclone.clock import read_now
from cyclone.errors import TrackingError
from cyclone.keys import pack_keys
from cyclone.releases import Release, current_release, releases_under_way
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.canary_steps import end_by_hand
from releasing.promotion import restore_champion, roll_back
from releasing.recalibration import roll_back_calibration
from releasing.redeployment import return_keys
from releasing.revision_environment import read_keys_of


def return_traffic(
    settings: Settings,
    spec: ModelSpec,
    by: str,
    reason: str,
    to: int | None = None,
    on_step: Callable[[str], None] = lambda what: None,
) -> None:
    """End a canary, or else take back the last calibration, or else return to the version before, or to version `to`.

    `by` is who asks, and `reason` is kept with what is rolled back. `on_step` is called with each thing that is done.
    Errors: `ReleaseError` when there is nothing to return to.
    """
    led, _ = releases_under_way(Store(settings.store_dsn), spec.name)
    if led and to is None:
        _end_canaries(settings, spec, led, reason)
        on_step(f"version {led[0].version} of {spec.name} is rolled back, and the champion has all traffic")
    else:
        _return_to_former(settings, spec, by, reason, to, on_step)


def _end_canaries(settings: Settings, spec: ModelSpec, led: list[Release], reason: str) -> None:
    for release in led:
        end_by_hand(settings, spec.name, release.run_id, goes_on=False, reason=reason)
        roll_back(settings, spec, release.run_id, reason)


def _return_to_former(
    settings: Settings, spec: ModelSpec, by: str, reason: str, to: int | None, on_step: Callable[[str], None]
) -> None:
    """Return to an older revision. Then give it the configured keys, or those of the revision that served."""

    def renew_keys() -> None:
        keys = pack_keys(settings) or served
        if renewed := return_keys(settings, spec, keys, by, read_now(store, settings, spec.name)):
            on_step(f"{renewed} has all traffic, as the revision before it asked for older keys")

    store = Store(settings.store_dsn)
    champion = current_release(store, spec.name)
    served = read_keys_of(settings, spec, champion.revision) if champion else ""
    before = roll_back_calibration(settings, spec, reason) if to is None else None
    if before is not None:
        on_step(f"{before} has all traffic, without the last calibration")
    else:
        try:
            restore_champion(settings, spec, reason, to, on_step)
        except TrackingError:
            renew_keys()  # only MLflow's alias does not follow yet
            raise
    renew_keys()  # after the traffic: keys that cannot be read hold up no roll-back
