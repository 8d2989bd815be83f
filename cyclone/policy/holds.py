"""Holds: retrainings that are due and must not start until a person has looked. People are told of each one once."""

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
from cyclone.wording import join_clauses

REMEDIES: dict[Cause, str] = {
    "upstream": (
        "mend what sends the rows and labels, and the hold ends by itself. If the data are right as they are, widen"
        " retrain.breaker in model.yaml, or run `cyclone retrain {model} --despite upstream --because …`"
    ),
    "release": (
        "find out who moved it. `cyclone reconcile {model}` makes traffic, tags and aliases follow the record, and"
        " release.reconcile: always in model.yaml has the monitor do so. If another version should serve, run `cyclone"
        " rollback {model} --to VERSION`. The hold ends with the monitor's next run"
    ),
    "pause": (
        "find out why the gate refused or why the version was rolled back: `cyclone timeline {model}` and gate.json in"
        " MLflow say so. Mend the labels, the features or the margin, then run `cyclone resume {model} --because …`"
    ),
    "failures": (
        "look at the failed Airflow runs of retrain__{model}, whose errors `cyclone timeline {model}` shows. Mend what"
        " failed, then run `cyclone resume {model} --because …`"
    ),
    "budget": "wait, raise retrain.budget_per_week, or run `cyclone resume {model} --because …`",
}
"""What a person can do about a hold, by its cause. `{model}` stands for the model's name."""


def describe_remedy(cause: Cause, model: str) -> str:
    """What a person can do about a hold of this cause, with the commands to type."""
    return REMEDIES[cause].format(model=model)


@dataclass(frozen=True)
class Hold:
    """One open hold. `told_at` is the wall time at which people were told, or None. `opened_at` is event time."""

    hold_id: int
    cause: Cause
    opened_at: datetime
    reason: str
    told_at: datetime | None

    def describe_remedy(self, model: str) -> str:
        return describe_remedy(self.cause, model)


def list_holds(store: Store, model: str) -> list[Hold]:
    """The open holds of a model, the oldest first."""
    return [Hold(**row) for row in store.fetch("holds/all_open", model=model)]


def keep_holds(store: Store, spec: ModelSpec, evidence: Evidence, decision: Decision, run_id: str) -> None:
    """Open the hold of a decision, and end the open holds whose cause is gone. A hold of one cause is opened once."""
    if decision.cause:
        store.run(
            "holds/open",
            model=spec.name,
            cause=decision.cause,
            at=evidence.now,
            reason=decision.reason,
            run_id=run_id,
        )
    standing = [stop.cause for stop in find_stops(spec, evidence)]
    store.run("holds/end", model=spec.name, standing=standing, at=evidence.now)


def resume(store: Store, spec: ModelSpec, by: str, because: str, at: datetime) -> Sequence[str]:
    """End the open holds by a person's word, and return their reasons.

    From then on, earlier retrainings count neither for a pause nor for the budget. The exception is a model that was
    held for broken upstream data only.
    Errors: `HoldError` when nothing is held, when `because` is empty, or while upstream data are still broken.
    """
    held = list_holds(store, spec.name)
    if not held:
        raise HoldError(f"{spec.name}: nothing is held, so there is nothing to resume")
    if not because:
        raise HoldError(
            f"{spec.name}: --because is empty. Run `cyclone resume {spec.name} --because …`. The reason is kept with"
            " the name of who resumed"
        )
    broken = [hold for hold in held if hold.cause == "upstream"]
    if broken and (faults := read_faults(store, spec, at)):
        raise HoldError(
            f"{spec.name}: upstream data are broken ({join_clauses(faults)})."
            f" What to do: {broken[0].describe_remedy(spec.name)}"
        )
    causes = [hold.cause for hold in held]
    ended = store.fetch("holds/resume", model=spec.name, causes=causes, at=at, closed_by=by, because=because)
    return [row["reason"] for row in ended]


def note_told(store: Store, hold: Hold, at: datetime) -> None:
    """Record the wall time at which people were told of a hold. The first time stays."""
    store.run("holds/tell", hold_id=hold.hold_id, at=at)
