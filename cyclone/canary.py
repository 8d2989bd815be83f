"""Judge a canary: candidate against champion, over what both answered in the same stretch of wall time."""

import math
from dataclasses import dataclass
from datetime import datetime

from cyclone.checks import Verdict
from cyclone.decisions import format_number
from cyclone.measurements import Measurement, load_check, measure
from cyclone.spec import ModelSpec, Release
from cyclone.store import Store

MINIMUM_COMPARED_REQUESTS = 20
"""The champion's latency is an example only from so many requests on."""
MINIMUM_LABELLED_ROWS = 30
LATENCY_TOLERANCE_MS = 5.0
"""A slower mean within it is noise, whatever the ratio."""
ONE_SIDED_95_PERCENT = 1.645

Numbers = dict[str, float | int | None]


@dataclass(frozen=True)
class CanaryVerdict:
    """`numbers` holds what was compared, JSON-able: `<side>_<measure>` and `<side>_<measure>_samples`."""

    verdict: Verdict
    reason: str
    numbers: Numbers


@dataclass(frozen=True)
class Comparison:
    """One measure on both sides."""

    candidate: Measurement
    champion: Measurement


def judge_canary(
    store: Store,
    spec: ModelSpec,
    candidate_revision: str,
    champion_revision: str,
    since: datetime,
    until: datetime,
) -> CanaryVerdict:
    """Compare what both revisions answered and stored in [since, until), wall time.

    `no_data` until the candidate answered `release.requests_per_step` requests, unless its failures are too many
    already. Errors: `CheckError` when a canary check is broken.
    """
    failures, latency, error = (
        _compare(store, name, spec.name, candidate_revision, champion_revision, since, until)
        for name in ("failure_share", "latency_mean_ms", "error")
    )
    verdict, reason = judge_comparison(spec.release, failures, latency, error)
    return CanaryVerdict(verdict, reason, _list_numbers(failure_share=failures, latency_mean_ms=latency, error=error))


def judge_comparison(
    release: Release, failures: Comparison, latency: Comparison, error: Comparison
) -> tuple[Verdict, str]:
    """The verdict and its sentence; the first rule that condemns speaks.

    Failures count over at least `requests_per_step`: then the verdict is the same however the rest turns out.
    """
    requests, needed = failures.candidate.sample_size, release.requests_per_step
    share = (failures.candidate.value or 0.0) * requests / max(requests, needed)
    if share > release.failure_share_limit:
        return "failed", (
            f"the candidate failed {round(share * max(requests, needed))} of {requests} requests;"
            f" at most {release.failure_share_limit:.3g} of {max(requests, needed)} is allowed"
        )
    if requests < needed:
        return "no_data", f"the candidate answered {requests} of the {needed} requests that a step needs"
    slower = _describe_slower(release, latency)
    if slower:
        return "failed", slower
    worse = _describe_worse(release, error)
    if worse:
        return "failed", worse
    return "passed", _describe_passed(requests, share, latency, error)


def _describe_slower(release: Release, latency: Comparison) -> str | None:
    candidate, champion = latency.candidate, latency.champion
    if candidate.value is None or champion.value is None:
        return None
    if champion.sample_size < MINIMUM_COMPARED_REQUESTS:
        return None
    allowed_ms = max(champion.value * release.latency_ratio_limit, champion.value + LATENCY_TOLERANCE_MS)
    if candidate.value <= allowed_ms:
        return None
    return (
        f"the candidate's mean latency {format_number(candidate.value)} ms on {candidate.sample_size} requests is"
        f" above {format_number(allowed_ms)} ms, that is {release.latency_ratio_limit:g} × the champion's"
        f" {format_number(champion.value)} ms or {LATENCY_TOLERANCE_MS:g} ms more"
    )


def _describe_worse(release: Release, error: Comparison) -> str | None:
    """Whether the candidate's error is above the limit beyond what chance gives (one-sided, 95 %)."""
    candidate, champion = error.candidate, error.champion
    if candidate.value is None or champion.value is None or not _is_mature(error):
        return None
    allowed = champion.value * release.error_ratio_limit
    noise = ONE_SIDED_95_PERCENT * math.hypot(
        candidate.standard_error or 0.0, release.error_ratio_limit * (champion.standard_error or 0.0)
    )
    if candidate.value - noise <= allowed:
        return None
    return (
        f"the candidate's error {format_number(candidate.value)} on {candidate.sample_size} labelled rows is above"
        f" {release.error_ratio_limit:g} × the champion's {format_number(champion.value)}"
        f" on {champion.sample_size}, beyond chance"
    )


def _describe_passed(requests: int, share: float, latency: Comparison, error: Comparison) -> str:
    compared = "errors compared" if _is_mature(error) else "too few labels to compare errors"
    return (
        f"{requests} requests, {share:.2%} failed, mean latency {format_number(latency.candidate.value)} ms"
        f" (champion {format_number(latency.champion.value)} ms), {compared}"
    )


def _is_mature(error: Comparison) -> bool:
    return min(error.candidate.sample_size, error.champion.sample_size) >= MINIMUM_LABELLED_ROWS


def _compare(
    store: Store, name: str, model: str, candidate: str, champion: str, since: datetime, until: datetime
) -> Comparison:
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
    return Comparison(sides["candidate"], sides["champion"])


def _list_numbers(**comparisons: Comparison) -> Numbers:
    numbers: Numbers = {}
    for name, comparison in comparisons.items():
        for side, measured in (("candidate", comparison.candidate), ("champion", comparison.champion)):
            numbers[f"{side}_{name}"] = measured.value
            numbers[f"{side}_{name}_samples"] = measured.sample_size
    return numbers
