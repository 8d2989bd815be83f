"""The judgement of a canary: the candidate against the champion, over what both answered in the same wall time.

Every rule is a sequential test, so a canary may be looked at every half second. A candidate within all limits is
condemned with a probability of at most `FALSE_ALARM`. That holds for all looks of all steps together. A candidate
beyond a limit passes a step with a probability of at most `MISSED_HARM`. Both hold for what depends on each other
within a request and within a moment (`releasing/canary_measures.py`), not only for independent requests.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from cyclone.checks.verdicts import Measurement
from cyclone.sections import ReleaseRules
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.wording import format_number, join_sentences
from releasing.canary_measures import SideBySide, Window, compare_sides
from releasing.sequential_tests import Interval, bound_difference, bound_distribution, bound_mean, bound_share

# One good candidate in twenty may be condemned. A smaller share needs more requests before harm is found.
FALSE_ALARM = 0.05
# One harmful candidate in twenty may pass a step. A smaller share makes each step of a good candidate longer.
MISSED_HARM = 0.05
MINIMUM_SAMPLES = 20
"""The least number of requests or labelled rows whose mean is compared. Such a mean is nearly normal."""
LATENCY_TOLERANCE_MS = 2.0
"""The rise of the mean latency that is always allowed, whatever the ratio. A colder cache costs as much."""
VANISHED_ALLOWED = 1
"""How many losses of instances more than the champion hold no step. Machines fail too."""
VANISHED_PRIOR = (1.0, 0.25)
"""The beta distribution over which the candidate's part of all losses is mixed.

It gives most weight to a candidate that has nearly all of them. There the fewest are needed.
"""

CanaryVerdictName = Literal["passed", "failed", "inconclusive"]
Numbers = dict[str, float | int | None]


@dataclass(frozen=True)
class CanaryVerdict:
    """The verdict on a canary step, with its reason and the compared numbers.

    The keys of `numbers` are `<side>_<measure>` and `<side>_<measure>_samples`. Where an interval was compared with a
    limit, `<measure>_low`, `<measure>_high` and `<measure>_limit` have these. The values can be written as JSON.
    """

    verdict: CanaryVerdictName
    reason: str
    numbers: Numbers


@dataclass(frozen=True)
class Finding:
    """The finding of one rule. `words` is the end of a sentence that begins with the name of the measure.

    `interval` is what was compared with `limit`: a difference of shares, or the candidate's own value.
    """

    verdict: CanaryVerdictName
    words: str
    interval: Interval | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Levels:
    """The error probabilities of one test. `alarm` is that of condemning wrongly, `miss` that of passing wrongly."""

    alarm: float
    miss: float = MISSED_HARM


def judge_canary(
    store: Store, spec: ModelSpec, candidate_revision: str, champion_revision: str, window: Window
) -> CanaryVerdict:
    """The verdict on one step of a canary, from what both revisions answered and stored.

    Errors: `CheckError` when a canary check is broken. `StoreError` when the store does not answer.
    """
    comparisons = compare_sides(store, spec.release, spec.name, candidate_revision, champion_revision, window)
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
    numbers = _list_numbers(comparisons) | _list_bounds(findings)
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
    """The finding on a share that may be at most `limit` above the champion's. `unit` names what is counted.

    What is counted may come alone or in bursts, so the wider of two intervals decides: that of independent trials, and
    that of independent moments.
    """
    sides = [(round((side.value or 0) * side.sample_size), side.sample_size) for side in _list_sides(comparison)]
    if not sides[0][1] or not sides[1][1]:
        return Finding("inconclusive", f"{sides[0][0]} of {sides[0][1]}, the champion {sides[1][0]} of {sides[1][1]}")
    alone = Interval(
        bound_difference(sides[0], sides[1], levels.alarm).low,
        bound_difference(sides[0], sides[1], levels.miss).high,
    )
    moments = _bound_excess(comparison, 1.0, 0.0, levels)
    interval = Interval(min(alone.low, moments.low), max(alone.high, moments.high))
    words = (
        f"{sides[0][0]} of {sides[0][1]:,} {unit}, the champion {sides[1][0]} of {sides[1][1]:,}"
        + _describe_difference(interval)
        + f" (allowed {limit:.2%})"
    )
    return Finding(_decide(interval, limit), words, interval, limit)


def judge_means(comparison: SideBySide, allowed: float, levels: Levels, unit: str) -> Finding:
    """The finding on a mean that may be at most `allowed`, a multiple of the champion's mean.

    `unit` names what the mean is over.
    """
    candidate, champion = comparison.candidate, comparison.champion
    if candidate.value is None or champion.value is None or min(comparison.sizes) < MINIMUM_SAMPLES:
        return Finding("inconclusive", f"on {comparison.sizes[0]} and {comparison.sizes[1]} {unit} too few to compare")
    # The allowed mean is a multiple of the champion's, so the champion's noise is multiplied too.
    ratio = allowed / champion.value if champion.value else 1.0
    interval = _bound_excess(comparison, ratio, allowed - ratio * champion.value, levels)
    if math.isinf(interval.high):
        return Finding("inconclusive", f"its spread is not known yet from {len(comparison.moments)} moments")
    words = (
        f"{format_number(candidate.value)} on {comparison.sizes[0]:,} {unit}, the champion"
        f" {format_number(champion.value)} on {comparison.sizes[1]:,} (allowed {format_number(allowed)},"
        f" ± {format_number(interval.high - candidate.value + allowed)})"
    )
    compared = Interval(interval.low + allowed, interval.high + allowed)
    return Finding(_decide(interval, 0.0), words, compared, allowed)


def _bound_excess(comparison: SideBySide, ratio: float, more: float, levels: Levels) -> Interval:
    """The interval of the candidate's mean minus `ratio` times the champion's and minus `more`.

    Both sides of a moment share what happens in it, so its spread is that of their difference. Moments of which some
    have most of the samples count as the number of equal moments that say as much.
    Sources: Cochran 1977, chapter 6 (ratio of sums). Kish 1965 (effective number).
    """
    moments, (ours, theirs) = comparison.moments, comparison.sizes
    if not ours or not theirs:
        return Interval(-math.inf, math.inf)
    means = comparison.candidate.value or 0.0, comparison.champion.value or 0.0
    count = min(
        ours**2 / sum(item.candidate_size**2 for item in moments),
        theirs**2 / sum(item.champion_size**2 for item in moments),
    )
    squares = sum(
        (
            (item.candidate_total - means[0] * item.candidate_size) / ours
            - ratio * (item.champion_total - means[1] * item.champion_size) / theirs
        )
        ** 2
        for item in moments
    )
    noise = math.sqrt(squares * count / (count - 1)) if count > 1 else math.inf
    excess = means[0] - ratio * means[1] - more
    low, high = (bound_mean(excess, noise, count, level) for level in (levels.alarm, levels.miss))
    return Interval(low.low, high.high)


def _judge_failures(release: ReleaseRules, comparison: SideBySide, levels: Levels) -> Finding:
    return judge_shares(comparison, release.failure_share_limit, levels, "requests")


def _judge_losses(release: ReleaseRules, comparison: SideBySide, levels: Levels) -> Finding:
    """Lost rows hold a step while too many are surely lost. They never condemn.

    They are lost in bursts, and nobody knows when: a full spool drops all rows until the store is back.
    """
    ours, theirs = ((round((side.value or 0) * side.sample_size), side.sample_size) for side in _list_sides(comparison))
    words = f"{ours[0]} of {ours[1]:,} rows, the champion {theirs[0]} of {theirs[1]:,}"
    is_beyond = bound_difference(ours, theirs, levels.alarm).low > release.lost_share_limit
    return Finding("inconclusive" if is_beyond else "passed", f"{words} (allowed {release.lost_share_limit:.2%} more)")


def _judge_instances(release: ReleaseRules, comparison: SideBySide, levels: Levels) -> Finding:
    """Losses of instances condemn when the candidate has more of them than its part of the time explains.

    Some losses more than the champion hold the step. So a candidate that cannot be condemned yet goes no further.
    """
    ours, theirs = (int(side.value or 0) for side in _list_sides(comparison))
    lived, all_lived = comparison.sizes[0], sum(comparison.sizes)
    words = f"{ours} times in {lived} s of instances, the champion {theirs} times in {all_lived - lived} s"
    part = lived / all_lived if all_lived else 1.0
    if bound_share(ours, ours + theirs, levels.alarm, VANISHED_PRIOR).low > part:
        return Finding("failed", words)
    return Finding("inconclusive" if ours > theirs + VANISHED_ALLOWED else "passed", words)


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
    limit = release.prediction_shift_limit
    interval = Interval(distance - noise, distance + noise)
    return Finding("failed" if interval.low > limit else "passed", words, interval, limit)


CanaryRule = Callable[[ReleaseRules, SideBySide, Levels], Finding]
RULES: dict[str, CanaryRule] = {
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
    return finding if finding.verdict == "failed" else replace(finding, verdict="passed")


def _list_sides(comparison: SideBySide) -> tuple[Measurement, Measurement]:
    return comparison.candidate, comparison.champion


def _describe_difference(interval: Interval) -> str:
    if math.isinf(interval.low) or math.isinf(interval.high):
        return ", from too few moments to compare"
    return f", a difference between {interval.low:.2%} and {interval.high:.2%}"


def _list_numbers(comparisons: Mapping[str, SideBySide]) -> Numbers:
    numbers: Numbers = {}
    for name, comparison in comparisons.items():
        for side, measured in (("candidate", comparison.candidate), ("champion", comparison.champion)):
            numbers[f"{side}_{name}"] = measured.value
            numbers[f"{side}_{name}_samples"] = measured.sample_size
    return numbers


def _list_bounds(findings: Mapping[str, Finding]) -> Numbers:
    """The intervals that were compared with limits. An infinite bound is None, because JSON has no such number."""
    numbers: Numbers = {}
    for name, finding in findings.items():
        if finding.interval is not None:
            for end, bound in (("low", finding.interval.low), ("high", finding.interval.high)):
                numbers[f"{name}_{end}"] = bound if math.isfinite(bound) else None
            numbers[f"{name}_limit"] = finding.limit
    return numbers
