"""The canary of one retraining, advanced by whoever calls: its state is in the store, so any process can go on."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cyclone.canary import CanaryVerdict, judge_canary
from cyclone.errors import ReleaseError
from cyclone.releases import current_release, release_of_run
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store
from training.release import candidate_of_run, shift_traffic


@dataclass(frozen=True)
class CanaryState:
    is_over: bool
    is_passed: bool
    reason: str


def advance_canary(settings: Settings, spec: ModelSpec, run_id: str) -> CanaryState:
    """Begin the next step, judge the one under way, or say how the canary ended. Safe to repeat.

    A step passes once the candidate answered enough requests, for long enough, and no canary check failed; it
    fails with the first check that does, or when `deadline_minutes` bring too few requests.
    The last step of `release.steps` (100 %) is the promotion itself.
    """
    store = Store(settings.store_dsn)
    release = release_of_run(store, run_id)
    if release is None:
        raise ReleaseError(f"run {run_id!r} has no candidate; deploy one first")
    champion = current_release(store, spec.name)
    if champion is None:
        return CanaryState(True, True, "there is no champion to compare with: the first release")
    steps = store.fetch("release/canary_steps", release_id=release.release_id)
    failed = [step for step in steps if step["verdict"] == "failed"]
    if failed:
        return CanaryState(True, False, f"the step of {failed[0]['traffic_percent']} % failed")
    if steps and steps[-1]["ended_at"] is None:
        return _judge_step(store, spec, release.release_id, release.revision, champion.revision, steps[-1])
    shares = spec.release.steps[:-1]
    if len(steps) == len(shares):
        return CanaryState(True, True, f"passed {len(shares)} steps")
    share = shares[len(steps)]
    shift_traffic(settings, spec, candidate_of_run(settings, spec, run_id), share)
    store.run(
        "release/canary_step_start",
        release_id=release.release_id,
        step_number=len(steps) + 1,
        traffic_percent=share,
        started_at=datetime.now(UTC),
    )
    return CanaryState(False, False, f"the candidate has {share} % of the traffic")


def _judge_step(
    store: Store, spec: ModelSpec, release_id: int, candidate: str, champion: str, step: Row
) -> CanaryState:
    now = datetime.now(UTC)
    verdict = judge_canary(store, spec, candidate, champion, since=step["started_at"], until=now)
    verdict = _apply_time_limits(verdict, spec, now - step["started_at"])
    if verdict.verdict == "no_data":
        return CanaryState(False, False, verdict.reason)
    store.run(
        "release/canary_step_end",
        release_id=release_id,
        step_number=step["step_number"],
        verdict=verdict.verdict,
        detail=json.dumps({"reason": verdict.reason, "numbers": verdict.numbers}),
        ended_at=now,
    )
    return CanaryState(verdict.verdict == "failed", False, verdict.reason)


def _apply_time_limits(verdict: CanaryVerdict, spec: ModelSpec, elapsed: timedelta) -> CanaryVerdict:
    """Hold a pass until the step has lasted long enough; condemn a step that has waited too long."""
    rules = spec.release
    if verdict.verdict == "passed" and elapsed < timedelta(seconds=rules.seconds_per_step):
        return CanaryVerdict("no_data", f"passing; the step lasts {rules.seconds_per_step:g} s", verdict.numbers)
    if verdict.verdict == "no_data" and elapsed > timedelta(minutes=rules.deadline_minutes):
        reason = f"{verdict.reason}, and {rules.deadline_minutes:g} minutes are over"
        return CanaryVerdict("failed", reason, verdict.numbers)
    return verdict
