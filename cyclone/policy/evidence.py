"""The evidence of a decision, read from the store as it was at a moment of event time."""

from collections.abc import Sequence
from datetime import datetime

from cyclone.checks.champion import find_champion
from cyclone.checks.verdicts import CheckResult
from cyclone.policy.breaker import LEAST_SAMPLE, FeatureFacts, Upstream, find_faults
from cyclone.policy.decisions import Decision
from cyclone.policy.facts import DailyError, Evidence, PastRetraining, Request, ServingVersion
from cyclone.policy.refit_scores import read_refit_days
from cyclone.record_comparison import read_differences
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import DAY, floor_day, floor_hour

COVERAGE_DAYS = 7
"""The days of rows over which the share with a label is measured. A week has each weekday once."""


def collect_evidence(
    store: Store, spec: ModelSpec, results: Sequence[CheckResult], now: datetime, requests: Sequence[Request] = ()
) -> Evidence:
    """Everything that `decide` needs. Daily errors are of whole days of UTC, upstream facts of the last 24 whole hours.

    `results` are the verdicts that the caller has just made. Errors: `StoreError` when Postgres does not answer.
    """
    end = floor_hour(now)
    champion = _read_champion(store, spec, now)
    ended = store.fetch("policy/retrainings", model=spec.name, before=now, newest=spec.retrain.pause_after)
    past = [PastRetraining(**row) for row in ended]
    resumed = store.fetch_one("holds/resumed_at", model=spec.name, before=now) or {}
    upstream = _read_upstream(store, spec, champion, end)
    return Evidence(
        now,
        champion,
        results,
        past,
        requests,
        refits=read_refit_days(store, spec, champion.promoted_at, now) if champion else [],
        upstream=upstream,
        differences=read_differences(store, spec.name, now),
        retired_by=_read_retired_by(store, spec, now) if champion is None else None,
        resumed_at=resumed.get("at"),
    )


def read_faults(store: Store, spec: ModelSpec, now: datetime) -> list[str]:
    """What is broken upstream at a moment, one sentence a fault. Empty when nothing is broken."""
    evidence = collect_evidence(store, spec, [], now)
    return find_faults(spec, evidence.upstream, now)


def record_decision(
    store: Store,
    evidence: Evidence,
    model: str,
    run_id: str,
    decision: Decision,
    incident_id: int | None,
    request: Request | None = None,
) -> None:
    """Record the decision of a monitor run, or the answer to a request. The record of a run with an incident stays."""
    store.run(
        "policy/decision_record",
        model=model,
        run_id=run_id,
        at=evidence.now,
        version=evidence.champion.version if evidence.champion else None,
        action=decision.action,
        reason=decision.reason,
        cause=decision.cause,
        incident_id=incident_id,
        asked_by=request.asked_by if request else None,
        because=request.because if request else None,
        despite=list(request.despite) if request else None,
    )


def _read_champion(store: Store, spec: ModelSpec, now: datetime) -> ServingVersion | None:
    """The version that serves at `now`, with its daily errors up to the last midnight. None when no version serves.

    A version that was promoted after that midnight has no daily errors yet.
    """
    found, end = find_champion(store, spec.name, now), floor_day(now)
    if found is None:
        return None
    since = store.fetch_one("policy/version_since", model=spec.name, version=found.version, at=now)
    rows = store.fetch(
        "policy/daily_errors",
        model=spec.name,
        version=found.version,
        window_start=end - spec.retrain.error.reach_days * DAY,
        window_end=end,
        label_delay=spec.label.delay,
        label_load=spec.label.load,
        metric=spec.error_metric,
    )
    promoted_at = since["promoted_at"] if since else now
    days = tuple(DailyError(**row) for row in rows)
    return ServingVersion(found.version, promoted_at, found.metric, found.accepted_error, days)


def _read_retired_by(store: Store, spec: ModelSpec, now: datetime) -> str | None:
    row = store.fetch_one("retirement/newest", model=spec.name, at=now)
    return row["asked_by"] if row else None


def _read_upstream(store: Store, spec: ModelSpec, champion: ServingVersion | None, end: datetime) -> Upstream:
    window = {"window_start": end - DAY, "window_end": end}
    overdue_before = end - spec.label.delay - spec.label.load - spec.retrain.breaker.silent_days * DAY
    row = store.fetch_one(
        "policy/upstream",
        model=spec.name,
        overdue_before=overdue_before,
        due_since=overdue_before - COVERAGE_DAYS * DAY,
        least_rows=LEAST_SAMPLE,
        **window,
    )
    assert row is not None, "the statement has no FROM that could be empty"
    if champion is None:
        return Upstream(**row)
    # The hour or the weekday may stand still for a day without anything being broken.
    watched = {feature.name: feature for feature in spec.features if not feature.calendar}
    facts = store.fetch(
        "policy/feature_facts", model=spec.name, version=champion.version, features=list(watched), **window
    )
    return Upstream(
        **row,
        features=tuple(
            FeatureFacts(
                feature=fact["feature"],
                rows=fact["rows"],
                missing=fact["missing"],
                accepted_missing_share=fact["accepted_missing_share"],
                values_before=fact["values_before"],
                # A category or a boolean may truly be the same for two days. A number is not.
                common=fact["common"] if watched[fact["feature"]].type == "number" else None,
                common_before=fact["common_before"],
                accepted_common_share=fact["accepted_common_share"],
            )
            for fact in facts
        ),
    )
