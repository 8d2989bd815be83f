"""The judgement of a canary: the candidate against the champion, over what both answered in the same wall time.

Every rule is a sequential test, so a canary may be looked at every half second. A candidate within all limits is
condemned with a probability of at most `FALSE_ALARM`. That holds for all looks of all steps together. A candidate
beyond a limit passes a step with a probability of at most `MISSED_HARM`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cyclone.checks.measurements import load_check, measure
from cyclone.checks.verdicts import Measurement
from cyclone.sections import ReleaseRules
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.wording import format_number, join_sentences
from releasing.sequential_tests import Interval, bound_difference, bound_distribution, bound_mean

# One good candidate in twenty may be condemned. A smaller share needs more requests before harm is found.
FALSE_ALARM = 0.05
# One harmful candidate in twenty may pass a step. A smaller share makes each step of a good candidate longer.
MISSED_HARM = 0.05
MINIMUM_SAMPLES = 20
"""The least number of requests or labelled rows whose mean is compared. Such a mean is nearly normal."""
LATENCY_TOLERANCE_MS = 2.0
"""The rise of the mean latency that is always allowed, whatever the ratio. A colder cache costs as much."""
VANISHED_ALLOWED = 1
"""How many instances more than the champion the candidate may lose. Machines fail too."""

CanaryVerdictName = Literal["passed", "failed", "inconclusive"]
Numbers = dict[str, float | int | None]


@dataclass(frozen=True)
class CanaryVerdict:
    """The verdict on a canary step, with its reason and the compared numbers.

    The keys of `numbers` are `<side>_<measure>` and `<side>_<measure>_samples`. The values can be written as JSON.
    """

    verdict: CanaryVerdictName
    reason: str
    numbers: Numbers


@dataclass(frozen=True)
class SideBySide:
    """One measure of the candidate and of the champion."""

    candidate: Measurement
    champion: Measurement

    @property
    def sizes(self) -> tuple[int, int]:
        return self.candidate.sample_size, self.champion.sample_size


@dataclass(frozen=True)
class Finding:
    """The finding of one rule. `words` is the end of a sentence that begins with the name of the measure."""

    verdict: CanaryVerdictName
    words: str


@dataclass(frozen=True)
class Levels:
    """The error probabilities of one test. `alarm` is that of condemning wrongly, `miss` that of passing wrongly."""

    alarm: float
    miss: float = MISSED_HARM


def judge_canary(
    store: Store,
    spec: ModelSpec,
    candidate_revision: str,
    champion_revision: str,
    since: datetime,
    until: datetime,
) -> CanaryVerdict:
    """The verdict on one step of a canary, from what both revisions answered and stored.

    The step is from `since` to before `until`, in wall time.
    Errors: `CheckError` when a canary check is broken. `StoreError` when the store does not answer.
    """
    comparisons = {
        name: _compare(store, name, spec.name, candidate_revision, champion_revision, since, until) for name in RULES
    }
    return judge_comparisons(spec.release, comparisons)


def judge_comparisons(release: ReleaseRules, comparisons: Mapping[str, SideBySide]) -> CanaryVerdict:
    """The verdict from all measures.

    It is `failed` when one rule condemns. It is `passed` when there are enough requests and every rule is sure. Else it
    is `inconclusive`, and the reason says what is still open.
    """
    # The last step is the promotion itself. The others and their rules share the probability of a false alarm.
    judged_steps = max(1, len(release.steps) - 1)
    levels = Levels(FALSE_ALARM / (judged_steps * len(RULES)))
    findings = {name: rule(release, comparisons[name], levels) for name, rule in RULES.items()}
    numbers = _list_numbers(comparisons)
    for name, finding in findings.items():
        if finding.verdict == "failed":
            return CanaryVerdict("failed", f"{TITLES[name]}: {finding.words}", numbers)
    requests, needed = comparisons["failure_share"].candidate.sample_size, release.requests_per_step
    if requests < needed:
        words = f"the candidate answered {requests} of the {needed} requests that a step needs"
        return CanaryVerdict("inconclusive", words, numbers)
    still_open = [f"{TITLES[name]}: {item.words}" for name, item in findings.items() if item.verdict == "inconclusive"]
    if still_open:
        return CanaryVerdict("inconclusive", "not sure yet: " + join_sentences(still_open), numbers)
    told = [f"{TITLES[name]}: {finding.words}" for name, finding in findings.items()]
    return CanaryVerdict("passed", join_sentences([f"{requests} requests", *told]), numbers)


def judge_shares(comparison: SideBySide, limit: float, levels: Levels, unit: str) -> Finding:
    """The finding on a share that may be at most `limit` above the champion's. `unit` names what is counted."""
    sides = [(round((side.value or 0) * side.sample_size), side.sample_size) for side in _list_sides(comparison)]
    if not sides[0][1] or not sides[1][1]:
        return Finding("inconclusive", f"{sides[0][0]} of {sides[0][1]}, the champion {sides[1][0]} of {sides[1][1]}")
    interval = Interval(
        bound_difference(sides[0], sides[1], levels.alarm).low,
        bound_difference(sides[0], sides[1], levels.miss).high,
    )
    words = (
        f"{sides[0][0]} of {sides[0][1]:,} {unit}, the champion {sides[1][0]} of {sides[1][1]:,}, a difference"
        f" between {interval.low:.2%} and {interval.high:.2%} (allowed {limit:.2%})"
    )
    return Finding(_decide(interval, limit), words)


def judge_means(comparison: SideBySide, allowed: float, levels: Levels, unit: str) -> Finding:
    """The finding on a mean that may be at most `allowed`, a multiple of the champion's mean.

    `unit` names what the mean is over.
    """
    candidate, champion = comparison.candidate, comparison.champion
    if candidate.value is None or champion.value is None or min(comparison.sizes) < MINIMUM_SAMPLES:
        return Finding("inconclusive", f"on {comparison.sizes[0]} and {comparison.sizes[1]} {unit} too few to compare")
    if candidate.standard_error is None or champion.standard_error is None:
        return Finding("inconclusive", "its spread is not known yet")
    # The allowed mean is a multiple of the champion's, so the champion's noise is multiplied too.
    ratio = allowed / champion.value if champion.value else 1.0
    noise = math.hypot(candidate.standard_error, ratio * champion.standard_error)
    excess, effect = candidate.value - allowed, abs(allowed - champion.value)
    interval = Interval(
        bound_mean(excess, noise, effect, levels.alarm).low, bound_mean(excess, noise, effect, levels.miss).high
    )
    words = (
        f"{format_number(candidate.value)} on {comparison.sizes[0]:,} {unit}, the champion"
        f" {format_number(champion.value)} on {comparison.sizes[1]:,} (allowed {format_number(allowed)},"
        f" ± {format_number((interval.high - interval.low) / 2)})"
    )
    return Finding(_decide(interval, 0.0), words)


def _judge_failures(release: ReleaseRules, comparison: SideBySide, levels: Levels) -> Finding:
    return judge_shares(comparison, release.failure_share_limit, levels, "requests")


def _judge_losses(release: ReleaseRules, comparison: SideBySide, levels: Levels) -> Finding:
    """Lost rows can condemn, but never make a step wait. Where all is well nothing is lost."""
    return _only_condemn(judge_shares(comparison, release.lost_share_limit, levels, "rows"))


def _judge_instances(release: ReleaseRules, comparison: SideBySide, levels: Levels) -> Finding:
    ours, theirs = (int(side.value or 0) for side in _list_sides(comparison))
    words = f"{ours} of {comparison.sizes[0]} instances, the champion {theirs} of {comparison.sizes[1]}"
    return Finding("failed" if ours > theirs + VANISHED_ALLOWED else "passed", words)


def _judge_latency(release: ReleaseRules, comparison: SideBySide, levels: Levels) -> Finding:
    champion = comparison.champion.value or 0.0
    allowed = max(champion * release.latency_ratio_limit, champion + LATENCY_TOLERANCE_MS)
    return judge_means(comparison, allowed, levels, "requests")


def _judge_error(release: ReleaseRules, comparison: SideBySide, levels: Levels) -> Finding:
    """Errors can always condemn. They make a step wait only once enough of the candidate's rows have labels."""
    allowed = (comparison.champion.value or 0.0) * release.error_ratio_limit
    finding = judge_means(comparison, allowed, levels, "labelled rows")
    is_mature = comparison.sizes[0] >= max(MINIMUM_SAMPLES, release.requests_per_step)
    return finding if is_mature else _only_condemn(finding)


def _judge_shift(release: ReleaseRules, comparison: SideBySide, levels: Levels) -> Finding:
    """Only a gross shift of predictions condemns, and none makes a step wait.

    A new version may answer differently, because that is why it was trained.
    """
    noise = sum(bound_distribution(size, levels.alarm / 2) for size in comparison.sizes)
    distance = comparison.candidate.value or 0.0
    words = f"{distance:.2f} ± {noise:.2f} from the champion's (allowed {release.prediction_shift_limit:g})"
    return Finding("failed" if distance - noise > release.prediction_shift_limit else "passed", words)


Rule = Callable[[ReleaseRules, SideBySide, Levels], Finding]
RULES: dict[str, Rule] = {
    "failure_share": _judge_failures,
    "vanished_instances": _judge_instances,
    "latency_mean_ms": _judge_latency,
    "error": _judge_error,
    "prediction_shift": _judge_shift,
    "lost_share": _judge_losses,
}
"""The rule for each canary check. The check is `sql/checks/canary/<name>.sql`."""
TITLES = {
    "failure_share": "failed requests",
    "vanished_instances": "instances that vanished",
    "latency_mean_ms": "mean latency in ms",
    "error": "error",
    "prediction_shift": "distribution of predictions",
    "lost_share": "lost rows",
}


def _decide(interval: Interval, limit: float) -> CanaryVerdictName:
    if interval.low > limit:
        return "failed"
    return "passed" if interval.high <= limit else "inconclusive"


def _only_condemn(finding: Finding) -> Finding:
    return finding if finding.verdict == "failed" else Finding("passed", finding.words)


def _list_sides(comparison: SideBySide) -> tuple[Measurement, Measurement]:
    return comparison.candidate, comparison.champion


def _compare(
    store: Store, name: str, model: str, candidate: str, champion: str, since: datetime, until: datetime
) -> SideBySide:
    measured = measure(
        store,
        load_check("canary", name),
        model=model,
        candidate=candidate,
        champion=champion,
        window_start=since,
        window_end=until,
    )
    sides = {item.subject: item for item in measured}
    return SideBySide(sides["candidate"], sides["champion"])


def _list_numbers(comparisons: Mapping[str, SideBySide]) -> Numbers:
    numbers: Numbers = {}
    for name, comparison in comparisons.items():
        for side, measured in (("candidate", comparison.candidate), ("champion", comparison.champion)):
            numbers[f"{side}_{name}"] = measured.value
            numbers[f"{side}_{name}_samples"] = measured.sample_size
    return numbers
