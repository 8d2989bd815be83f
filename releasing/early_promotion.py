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
    A candidate before its canary has not been rehearsed, so it is refused.
    Errors: `ReleaseError` when no canary is under way, and those of `releasing.promotion.promote`.
    """
    led, _ = releases_under_way(Store(settings.store_dsn), spec.name)
    if not led:
        raise ReleaseError(
            f"{spec.name}: no candidate is under way, so there is nothing to promote. `cyclone retrain {spec.name}`"
            " asks for one"
        )
    release = led[0]
    if release.state != "canary":
        raise ReleaseError(
            f"{spec.name}: version {release.version} is not in its canary yet, so nobody knows that it answers. Wait"
            f" until `cyclone status {spec.name}` names its share of the traffic"
        )
    approve_by_promoting(settings, spec, release, by, reason)
    promote(settings, spec, candidate_of_run(settings, spec, release.run_id))
    # Not before: were the promotion refused, the canary would go on past a step that nobody has judged.
    end_by_hand(settings, spec.name, release.run_id, goes_on=True, reason=reason)
    return release.version
