"""The policy of retraining: pure functions that decide from values whether a retraining pays.

A retraining may also have to wait, or be held until a person has looked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cyclone.differences import TRAFFIC
from cyclone.policy.breaker import find_faults
from cyclone.policy.decisions import Cause, Decision, describe_failed_check
from cyclone.policy.facts import DailyError, Evidence, PastRetraining, ServingVersion
from cyclone.policy.refits import describe_change, describe_excess, find_excess, pays
from cyclone.sections import ErrorTrigger, Retrain
from cyclone.spec import ModelSpec
from cyclone.times import DAY, floor_day
from cyclone.wording import count_of, format_number, join_clauses, join_sentences

TOLD_AT_ONCE: tuple[Cause, ...] = ("upstream", "release")
"""The causes that a person is told of even when no retraining is due."""
SMALLEST_SHARE = 0.01
"""The least error that a day counts with, as a share of the accepted error.

Where the accepted error is 0, it is a share of the days' mean error. The geometric mean of a week with one perfect day
would be 0 without it, and would hide six bad days.
"""


class TypicalError(NamedTuple):
    """The error of a typical day, in the unit of the version's metric, with the days and labels that it is of."""

    error: float
    days: int
    rows: int


@dataclass(frozen=True)
class Stop:
    """A reason in words why a person must look at the model.

    While `is_blocking` is true, no retraining of the model starts. Else the reason is only told to people, and a
    retraining that is due starts all the same.
    """

    cause: Cause
    words: str
    is_blocking: bool = True


def decide(spec: ModelSpec, evidence: Evidence) -> Decision:
    """Decide on a retraining: `retrain` when a trigger fires and nothing stands against it, else `wait` or `hold`.

    The verdict `no_data` never starts a retraining. A request of a person skips the cooldown, and ignores the stops
    that the person names. Broken upstream data are a hold even when no retraining is due. So is it when what serves is
    not what the release record says.
    """
    fired = find_triggers(spec, evidence)
    people = [request for request in evidence.requests if request.is_person]
    if evidence.retired_by and not people:
        words = f"the model was retired by {evidence.retired_by}: `cyclone retrain {spec.name}` brings it back"
        return Decision("wait", f"no retraining: {words}")
    reason = join_clauses([*(f"requested by {person.asked_by}" for person in people), *fired])
    ignored = {cause for person in people for cause in person.despite}
    stops = [stop for stop in find_stops(spec, evidence) if stop.cause not in ignored]
    # Asked before the triggers: when labels stop, the error trigger stays calm and nothing else would tell a person.
    must_tell = any(stop.cause in TOLD_AT_ONCE for stop in stops)
    if not reason and not must_tell:
        return Decision("wait", f"no retraining: {describe_calm(spec, evidence)}")
    waits = None if people else _find_cooldown(spec.retrain, evidence)
    if waits and not must_tell:
        return Decision("wait", f"no retraining, although {reason}: {waits}")
    if any(stop.is_blocking for stop in stops) or (stops and (waits or not reason)):
        words = join_sentences(stop.words for stop in stops)
        return Decision("hold", f"no retraining{f', although {reason}' if reason else ''}: {words}", stops[0].cause)
    despite = f", in spite of {', '.join(sorted(ignored))}" if ignored else ""
    return Decision("retrain", reason + despite)


def find_stops(spec: ModelSpec, evidence: Evidence) -> list[Stop]:
    """Every reason against a retraining that a person has to look at, the worst first.

    The list does not depend on whether a retraining is due.
    """
    faults = find_faults(spec, evidence.upstream, evidence.now)
    stops = [Stop("upstream", f"upstream data are broken ({join_clauses(faults)})")] if faults else []
    found: list[tuple[Cause, str | None]] = [
        ("pause", _find_no_gain(spec.retrain, evidence)),
        ("failures", _find_failures(spec.retrain, evidence)),
        ("budget", _find_spent_budget(spec.retrain, evidence)),
    ]
    return stops + _find_astray(spec, evidence) + [Stop(cause, words) for cause, words in found if words]


def find_triggers(spec: ModelSpec, evidence: Evidence) -> list[str]:
    """Every reason to retrain, each as one sentence with its numbers. Requests of people are not among them."""
    fired = [f"requested by {request.asked_by}" for request in evidence.requests if not request.is_person]
    champion = evidence.champion
    if champion is not None:
        if "error" in spec.retrain.triggered_by:
            fired += _find_error(spec, champion, evidence.now)
        fired += _find_age(spec.retrain, champion, evidence.now)
        if "gain" in spec.retrain.triggered_by:
            fired += _find_gain(spec.retrain, champion, evidence)
    kinds = spec.retrain.triggering_checks
    return fired + [
        describe_failed_check(spec, result)
        for result in evidence.results
        # Another version that has traffic is no reason for a retraining: it is not what the record says should serve.
        if result.verdict == "failed" and result.kind in kinds and champion and result.version == champion.version
    ]


def find_typical_error(
    champion: ServingVersion, now: datetime, trigger: ErrorTrigger, load_every_days: int = 0
) -> TypicalError | None:
    """A typical day's error: the geometric mean of the version's daily errors.

    The window is `window_days` whole days of UTC and ends with the last midnight, so that a decision at noon equals
    the one at midnight. One odd day, such as a holiday, moves the geometric mean little. A lasting rise moves it in
    full. Where labels come in loads, days up to a load older stand in for those that wait for the next one. Where a
    window has too few rows, it is longer, and several days count as one. None when no day of the window has labels.
    """
    end = floor_day(now)
    since = end - (trigger.reach_days + load_every_days) * DAY
    known = [day for day in champion.days if since <= day.start and day.start + DAY <= end]
    recent = [day for day in known if day.start >= end - (trigger.window_days + load_every_days) * DAY]
    days = recent[-trigger.window_days :]
    if not days:
        return None
    for day in reversed(known[: len(known) - len(days)]):
        if sum(item.rows for item in days) >= trigger.minimum_rows:
            break
        days.insert(0, day)
    rows = sum(day.rows for day in days)
    errors = _join_small_days(days, -(-trigger.minimum_rows // trigger.minimum_days))
    floor = SMALLEST_SHARE * (champion.accepted_error or sum(errors) / len(errors))
    if not floor:
        return TypicalError(0.0, len(days), rows)
    typical = math.exp(sum(math.log(max(error, floor)) for error in errors) / len(errors))
    return TypicalError(typical, len(days), rows)


def _join_small_days(days: Sequence[DailyError], least_rows: int) -> list[float]:
    """The mean errors of days, where days in a row with fewer than `least_rows` rows together count as one day."""
    totals: list[tuple[float, int]] = []
    for day in reversed(days):
        if totals and totals[-1][1] < least_rows:
            total, rows = totals.pop()
            totals.append((total + day.error * day.rows, rows + day.rows))
        else:
            totals.append((day.error * day.rows, day.rows))
    # The oldest days may be few rows by themselves, and one row must not count as much as a whole day.
    if len(totals) > 1 and totals[-1][1] < least_rows:
        total, rows = totals.pop()
        totals[-1] = (totals[-1][0] + total, totals[-1][1] + rows)
    return [total / rows for total, rows in totals]


def find_judged_error(spec: ModelSpec, champion: ServingVersion, now: datetime) -> TypicalError | None:
    """A typical day's error, or None while it has fewer days or labels than the error trigger needs."""
    trigger = spec.retrain.error
    found = find_typical_error(champion, now, trigger, spec.label.load_every_days)
    if found is None or found.days < trigger.minimum_days or found.rows < trigger.minimum_rows:
        return None
    return found


def describe_calm(spec: ModelSpec, evidence: Evidence) -> str:
    """Why no retraining is due, and what would change that.

    It tells what refits have shown. Until enough days are scored, it tells the typical day's error beside the accepted.
    """
    champion, trigger = evidence.champion, spec.retrain.error
    if champion is None:
        return "no version serves"
    excess = find_excess(spec.retrain, champion, evidence.refits) if "gain" in spec.retrain.triggered_by else None
    if excess:
        return f"{describe_excess(spec.retrain, champion, excess)}, {describe_change(spec.retrain, excess)}"
    found = find_judged_error(spec, champion, evidence.now)
    if found is None:
        few = find_typical_error(champion, evidence.now, trigger, spec.label.load_every_days)
        few = few or TypicalError(0, 0, 0)
        if few.days < trigger.minimum_days:
            return f"version {champion.version} has {few.days} labelled whole days, {trigger.minimum_days} are needed"
        return f"version {champion.version} has {few.rows} labels of whole days, {trigger.minimum_rows} are needed"
    accepted = champion.accepted_error
    times = f"is {format_number(found.error / accepted)} × the" if accepted else "stands beside the"
    typical = f"a typical day's {champion.metric} {format_number(found.error)} over {found.days} days"
    return f"{typical} {times} accepted {format_number(accepted)}"


def _find_astray(spec: ModelSpec, evidence: Evidence) -> list[Stop]:
    """The stop for what serves against the release record. Only other traffic than the champion's holds a retraining.

    Tags and aliases decide nothing, and the next release sets them right.
    """
    if not evidence.differences:
        return []
    champion = evidence.champion
    is_blocking = champion is not None and any(item.where == TRAFFIC for item in evidence.differences)
    failed = [item for item in evidence.results if item.verdict == "failed"]
    others = [item for item in failed if is_blocking and champion and item.version != champion.version]
    words = [str(item) for item in evidence.differences]
    words += [f"version {item.version} answers, and its {describe_failed_check(spec, item)}" for item in others]
    return [Stop("release", f"what serves is not what the release record says ({join_clauses(words)})", is_blocking)]


def _find_error(spec: ModelSpec, champion: ServingVersion, now: datetime) -> list[str]:
    trigger = spec.retrain.error
    found = find_judged_error(spec, champion, now)
    allowed = trigger.limit * champion.accepted_error
    if found is None or found.error <= allowed:
        return []
    accepted = f"{trigger.limit:g} × the accepted {format_number(champion.accepted_error)} = {format_number(allowed)}"
    days = count_of(found.days, "day")
    return [f"a typical day's {champion.metric} {format_number(found.error)} over {days} is above {accepted}"]


def _find_age(retrain: Retrain, champion: ServingVersion, now: datetime) -> list[str]:
    age_days = (now - champion.promoted_at) / DAY
    if retrain.maximum_age_days is None or age_days < retrain.maximum_age_days:
        return []
    return [f"version {champion.version} has served {age_days:.1f} days of at most {retrain.maximum_age_days:g}"]


def _find_gain(retrain: Retrain, champion: ServingVersion, evidence: Evidence) -> list[str]:
    excess = find_excess(retrain, champion, evidence.refits)
    return [describe_excess(retrain, champion, excess)] if excess and pays(retrain, excess) else []


def _find_cooldown(retrain: Retrain, evidence: Evidence) -> str | None:
    if not evidence.retrainings:
        return None
    days = (evidence.now - evidence.retrainings[-1].ended_at) / DAY
    if days >= retrain.cooldown_days:
        return None
    return f"the last one ended {days:.1f} days ago, within the cooldown of {retrain.cooldown_days:g} days"


def _find_no_gain(retrain: Retrain, evidence: Evidence) -> str | None:
    """The pause after retrainings that came to an answer but brought no gain, in words. None where none is due.

    A gain is a promotion that was not rolled back, whatever the gate's rule.
    """
    # Failed runs do not count here: they answered nothing. `_find_failures` looks at them.
    answered = [item for item in _list_since_resumed(evidence) if item.outcome != "failed"][-retrain.pause_after :]
    if any(item.outcome == "promoted" for item in answered):
        return None
    outcomes = ", ".join(item.outcome.replace("_", " ") for item in answered)
    return _find_pause(retrain, evidence.now, answered, f"brought no gain ({outcomes})")


def _find_failures(retrain: Retrain, evidence: Evidence) -> str | None:
    last = _list_since_resumed(evidence)[-retrain.pause_after :]
    if any(item.outcome != "failed" for item in last):
        return None
    return _find_pause(retrain, evidence.now, last, "failed")


def _find_pause(retrain: Retrain, now: datetime, streak: Sequence[PastRetraining], words: str) -> str | None:
    """The pause that a streak of bad ends causes, in words. None once its newest retraining is `pause_days` old."""
    if len(streak) < retrain.pause_after:
        return None
    days_left = retrain.pause_days - (now - streak[-1].ended_at) / DAY
    if days_left <= 0:
        return None
    return (
        f"the last {len(streak)} {words}: none starts by itself for {days_left:.1f} days more, unless a person resumes"
    )


def _find_spent_budget(retrain: Retrain, evidence: Evidence) -> str | None:
    since = evidence.now - 7 * DAY
    spent = sum(item.cost for item in _list_since_resumed(evidence) if item.ended_at > since)
    # The next retraining has to fit as well, so that the week ends within the budget.
    if spent + retrain.cost <= retrain.budget_per_week:
        return None
    return f"{spent:g} of {retrain.budget_per_week:g} a week are spent, one more costs {retrain.cost:g}"


def _list_since_resumed(evidence: Evidence) -> list[PastRetraining]:
    """The retrainings that still count: those that ended after a person last resumed."""
    since = evidence.resumed_at
    return [item for item in evidence.retrainings if since is None or item.ended_at > since]
