"""Holds: what a person has to look at before a retraining starts, each told once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cyclone.errors import HoldError
from cyclone.policy.decisions import Cause, Decision
from cyclone.policy.evidence import read_faults
from cyclone.policy.facts import Evidence
from cyclone.policy.rules import find_stops
from cyclone.spec import ModelSpec
from cyclone.store import Store

REMEDIES: dict[Cause, str] = {
    "upstream": (
        "mend what sends the rows and labels, and the hold ends by itself; is the fault the truth, widen"
        " retrain.breaker in model.yaml, or run `cyclone retrain {model} --despite upstream --because …`"
    ),
    "pause": (
        "look why the gate refused (the timeline, MLflow's gate.json), or why the version was rolled back: labels,"
        " features, margin; then `cyclone resume {model} --because …`"
    ),
    "failures": (
        "look at the failed Airflow runs of retrain__{model} (the timeline has their errors), mend what failed; then"
        " `cyclone resume {model} --because …`"
    ),
    "budget": "wait, raise retrain.budget_per_week, or run `cyclone resume {model} --because …`",
}


def describe_remedy(cause: Cause, model: str) -> str:
    """What a person can do about a hold."""
    return REMEDIES[cause].format(model=model)


@dataclass(frozen=True)
class Hold:
    """One open hold. `told_at`: wall time, None while nobody was told."""

    hold_id: int
    cause: Cause
    opened_at: datetime
    reason: str
    told_at: datetime | None

    def describe_remedy(self, model: str) -> str:
        return describe_remedy(self.cause, model)


def list_holds(store: Store, model: str) -> list[Hold]:
    """Those that are open, the oldest first."""
    return [Hold(**row) for row in store.fetch("policy/holds", model=model)]


def keep_holds(store: Store, spec: ModelSpec, evidence: Evidence, decision: Decision, run_id: str) -> None:
    """Open the hold that a decision is, once, and end those whose cause is gone."""
    if decision.cause:
        store.run(
            "policy/hold_open",
            model=spec.name,
            cause=decision.cause,
            at=evidence.now,
            reason=decision.reason,
            run_id=run_id,
        )
    standing = [stop.cause for stop in find_stops(spec, evidence)]
    store.run("policy/holds_end", model=spec.name, standing=standing, at=evidence.now)


def resume(store: Store, spec: ModelSpec, by: str, because: str, at: datetime) -> Sequence[str]:
    """End the open holds by a person's word: earlier retrainings count for nothing any more, unless all that was held
    were broken data. The holds' reasons.

    Errors: `HoldError` when nothing is held, or when upstream data are still broken: no word mends them.
    """
    held = list_holds(store, spec.name)
    if not held:
        raise HoldError(f"{spec.name}: nothing is held, so there is nothing to resume")
    if not because:
        raise HoldError(f"{spec.name}: --because is needed: it is kept with who resumed")
    broken = [hold for hold in held if hold.cause == "upstream"]
    if broken and (faults := read_faults(store, spec, at)):
        raise HoldError(
            f"{spec.name}: upstream data are broken ({'; '.join(faults)}): {broken[0].describe_remedy(spec.name)}"
        )
    causes = [hold.cause for hold in held]
    ended = store.fetch("policy/holds_resume", model=spec.name, causes=causes, at=at, closed_by=by, because=because)
    return [row["reason"] for row in ended]


def note_told(store: Store, hold: Hold, at: datetime) -> None:
    """People were told at `at`, wall time."""
    store.run("policy/hold_tell", hold_id=hold.hold_id, at=at)
