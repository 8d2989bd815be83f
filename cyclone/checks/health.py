"""Health: whether the newest verdicts of a model are good, and new enough to be believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cyclone.checks.champion import find_champion
from cyclone.checks.verdicts import CheckResult
from cyclone.differences import TRAFFIC
from cyclone.errors import ConfigurationError
from cyclone.record_comparison import read_differences
from cyclone.sections import CheckKind
from cyclone.store import Store
from cyclone.times import DAY, HOUR
from cyclone.wording import join_clauses

WINDOW_STEPS: dict[CheckKind, timedelta] = {
    "drift": DAY,
    "error": DAY,
    "estimate": DAY,
    "service": HOUR,
}
"""The time between the ends of two windows, by kind of check. `find_window_end` makes them so."""


@dataclass(frozen=True)
class Health:
    """The health of a model.

    `reason` names every verdict that is not `passed`, and every kind without a fresh verdict.
    """

    is_healthy: bool
    reason: str
    verdicts: tuple[CheckResult, ...] = ()


def read_health(store: Store, model: str, kinds: Sequence[CheckKind], max_age: timedelta, now: datetime) -> Health:
    """The health of the champion at `now`, from its recorded verdicts. No check is run.

    A model whose traffic goes elsewhere than the release record says is not healthy, whatever the verdicts say.
    """
    champion = find_champion(store, model, now)
    if champion is None:
        return Health(False, f"no version of {model} serves at {now:%Y-%m-%d %H:%M} UTC")
    rows = store.fetch("verdicts/latest", model=model, version=champion.version, kinds=list(kinds), at=now)
    health = judge_health([CheckResult(**row) for row in rows], kinds, max_age, now)
    astray = [str(item) for item in read_differences(store, model, now) if item.where == TRAFFIC]
    if not astray:
        return health
    reasons = [*astray, *([] if health.is_healthy else [health.reason])]
    return Health(False, join_clauses(reasons), health.verdicts)


def judge_health(
    verdicts: Sequence[CheckResult], kinds: Sequence[CheckKind], max_age: timedelta, now: datetime
) -> Health:
    """Judge health from verdicts. Healthy means that every kind has a fresh verdict and that all verdicts `passed`.

    A verdict is fresh until `max_age` after the end of the next window. Before that end there can be no newer verdict.
    The next window ends a day later, and for service checks an hour later. `no_data` is never healthy.
    """
    troubles = []
    for kind in kinds:
        ends = [verdict.window_end for verdict in verdicts if verdict.kind == kind]
        if not ends:
            troubles.append(f"no {kind} check has a verdict")
        elif now - (max(ends) + WINDOW_STEPS[kind]) > max_age:
            troubles.append(f"the newest {kind} verdict is of {max(ends):%Y-%m-%d %H:%M} UTC: older than {max_age}")
    troubles += [
        f"{verdict.check_name} of {verdict.subject} is {verdict.verdict}"
        for verdict in verdicts
        if verdict.verdict != "passed"
    ]
    if troubles:
        return Health(False, join_clauses(troubles), tuple(verdicts))
    return Health(True, f"all {len(verdicts)} verdicts passed", tuple(verdicts))


def check_kinds(kinds: Sequence[str], allowed: Sequence[str]) -> None:
    """Check the kinds of checks that a caller names, such as `drift`.

    Errors: `ConfigurationError` with these kinds and the allowed ones, if one is unknown or there is none.
    """
    unknown = [kind for kind in kinds if kind not in allowed]
    if unknown or not kinds:
        raise ConfigurationError(f"kinds {list(kinds)}: one or more of {', '.join(allowed)} are allowed")
