"""The task and the trigger of a canary: raise a candidate's share of live traffic step by step, without a worker."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.hitl import upsert_hitl_detail
from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from airflow.sdk import Context

PROMOTE, ROLL_BACK = "Promote now", "Roll back"
# The pause grows by a tenth with each look: a short canary ends soon, and a long one costs little.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.3, 3.0


class CanaryTrigger(BaseTrigger):
    """Leads the canary of one retraining to its end. Every step is kept in the store, so another trigger can go on."""

    def __init__(self, model: str, retraining: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self.retraining = retraining

    def serialize(self) -> tuple[str, dict[str, Any]]:
        # Deferred runs hold this path: a trigger that moves breaks the canaries that are under way at an upgrade.
        return "cyclone_airflow.canary.CanaryTrigger", {"model": self.model, "retraining": self.retraining}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from cyclone.settings import read_settings
        from cyclone.spec import find_model
        from releasing.canary_steps import CanaryWatch

        settings = read_settings()
        watch = CanaryWatch(settings, find_model(settings.models_dir, self.model), self.retraining)
        pause = FIRST_PAUSE_SECONDS
        while True:
            state = await asyncio.to_thread(watch.look)
            if state.is_over:
                yield TriggerEvent({"is_passed": state.is_passed, "reason": state.reason})
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.1, LONGEST_PAUSE_SECONDS)


class CanaryOperator(HITLOperator):
    """Waits, deferred, until the candidate of this run has passed every step. Fails when a step condemns it.

    Meanwhile a person may decide instead, under "Required Actions" of the task.
    """

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        subject = f"The canary of {model} is under way. Promote it now, or roll it back?"
        body = "You need not answer. SQL judges each step. `cyclone status` shows how the canary stands."
        super().__init__(subject=subject, body=body, options=[PROMOTE, ROLL_BACK], **kwargs)
        self.model = model

    def execute(self, context: "Context") -> None:
        instance = context["task_instance"]
        upsert_hitl_detail(instance.id, self.options, self.subject, self.body, params={})
        trigger = CanaryTrigger(model=self.model, retraining=context["run_id"])
        self.defer(trigger=trigger, method_name="conclude")

    def conclude(self, context: "Context", event: dict[str, Any]) -> str:
        """The reason why the canary passed: the trigger's judgement or a person's choice, whichever came first.

        Errors: `AirflowFailException` with the reason why it did not pass.
        """
        if "chosen_options" in event:
            event = self._follow(context["run_id"], event)
        if not event["is_passed"]:
            raise AirflowFailException(f"The canary of {context['run_id']} failed: {event['reason']}")
        self.log.info("The canary passed: %s", event["reason"])
        return str(event["reason"])

    def _follow(self, run_id: str, choice: dict[str, Any]) -> dict[str, Any]:
        from cyclone.settings import read_settings
        from cyclone.spec import find_model
        from releasing.canary_steps import end_by_hand
        from releasing.promotion import roll_back

        settings = read_settings()
        is_promoted = choice["chosen_options"] == [PROMOTE]
        user = choice["responded_by_user"] or {"name": "somebody"}
        reason = f"by hand in Airflow ({user['name']})"
        end_by_hand(settings, self.model, run_id, goes_on=is_promoted, reason=reason)
        if not is_promoted:
            roll_back(settings, find_model(settings.models_dir, self.model), run_id, reason)
        return {"is_passed": is_promoted, "reason": reason}
