"""Requests for a retraining, by people, alerts and assets.

The policy answers each request once. The store keeps who asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from cyclone.errors import HoldError
from cyclone.names import name_retraining
from cyclone.policy.deciding import Alarm, carry_out, weigh
from cyclone.policy.decisions import Cause, Decision
from cyclone.policy.facts import Request
from cyclone.policy.holds import describe_remedy
from cyclone.spec import ModelSpec
from cyclone.store import Store

CAUSES: tuple[Cause, ...] = get_args(Cause)


@dataclass(frozen=True)
class RequestAnswer:
    """The policy's answer to a request.

    `incident_id` and `run_id` are None without a retraining. `run_id` is the run that answers the incident, whoever
    starts it.
    """

    decision: Decision
    incident_id: int | None
    run_id: str | None

    def describe_refusal(self, model: str) -> str:
        """The reason why there is no retraining, and what a person can do about it."""
        cause = self.decision.cause
        return self.decision.reason + (f". What to do: {describe_remedy(cause, model)}" if cause else "")


def build_request(
    asked_by: str, *, is_person: bool, because: str, despite: Sequence[str], waited_seconds: float = 0.0
) -> Request:
    """A request, with the causes of a hold that it ignores, and the time since it was made.

    Errors: `HoldError` for an unknown cause, for a cause without `because`, or for a cause that an alert names.
    """
    causes: list[Cause] = [cause for cause in CAUSES if cause in despite]
    for name in despite:
        if name not in CAUSES:
            raise HoldError(f"despite {name!r} must be one of {', '.join(CAUSES)}")
    if causes and not because:
        raise HoldError(f"despite {', '.join(causes)} needs a because: add `--because …`, which is kept with who asked")
    if causes and not is_person:
        raise HoldError(f"{asked_by}: only a person may ask despite {', '.join(causes)}")
    return Request(asked_by, is_person, because, tuple(causes), waited_seconds)


def ask(store: Store, spec: ModelSpec, source: str, request: Request, at: datetime) -> RequestAnswer:
    """Ask the policy for a retraining, and return its answer. The answer is recorded.

    `source` is the name of the request. The same source twice is one request, and gets the first answer again. A
    refusal is no end: asked again, the request is weighed again, because what held it may be gone.
    """
    known = store.fetch_one("policy/decision_of_run", model=spec.name, run_id=source)
    if known is None or known["incident_id"] is None:
        alarm = Alarm(source, request=request)
        carry_out(store, spec, alarm, *weigh(store, spec, alarm, at))
        known = store.fetch_one("policy/decision_of_run", model=spec.name, run_id=source)
    assert known is not None, "the answer has just been recorded"
    incident_id = known["incident_id"]
    run_id = name_retraining(spec.name, incident_id) if incident_id else None
    return RequestAnswer(Decision(known["action"], known["reason"], known["cause"]), incident_id, run_id)
