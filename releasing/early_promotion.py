"""The promotion of a candidate by a person's word, without waiting for the rest of its canary."""

from cyclone.errors import ReleaseError
from cyclone.releases import releases_under_way
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.approval.answers import approve_by_promoting
from releasing.canary_steps import end_by_hand
from releasing.candidate import candidate_of_run
from releasing.promotion import promote


def promote_early(settings: Settings, spec: ModelSpec, by: str, reason: str) -> int:
    """Give the candidate in its canary all traffic now, and return its version. `reason` says who wants it, and why.

    Where `release.approval` asks for a person's word, this is that word, in the name of `by`.

    Errors: `ReleaseError` when no candidate is under way, and those of `releasing.promotion.promote`.
    """
    led, _ = releases_under_way(Store(settings.store_dsn), spec.name)
    if not led:
        raise ReleaseError(
            f"{spec.name}: no candidate is under way, so there is nothing to promote. `cyclone retrain {spec.name}`"
            " asks for one"
        )
    candidate = candidate_of_run(settings, spec, led[0].run_id)
    approve_by_promoting(settings, spec, led[0], by, reason)
    end_by_hand(settings, spec.name, led[0].run_id, goes_on=True, reason=reason)
    promote(settings, spec, candidate)
    return led[0].version
