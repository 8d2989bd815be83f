"""The task and the trigger of a canary: raise a candidate's share of live traffic step by step, without a worker."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.hitl import upsert_hitl_detail
from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from airflow.sdk import Context

PROMOTE, ROLL_BACK = "Promote now", "Roll back"
APPROVE, REFUSE = "Approve", "Refuse"
# The pause grows by a tenth with each look: a short canary ends soon, and a long one costs little.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.3, 3.0


class CanaryTrigger(BaseTrigger):
    """Leads the canary of one retraining to its end. Every step is kept in the store, so another trigger can go on.

    When the candidate waits for a person, it fires once with the question. `is_asked` says that this was done.
    """

    def __init__(self, model: str, retraining: str, is_asked: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self.retraining = retraining
        self.is_asked = is_asked

    def serialize(self) -> tuple[str, dict[str, Any]]:
        # Deferred runs hold this path: a trigger that moves breaks the canaries that are under way at an upgrade.
        arguments = {"model": self.model, "retraining": self.retraining, "is_asked": self.is_asked}
        return "cyclone_airflow.canary.CanaryTrigger", arguments

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
            if state.asks and not self.is_asked:
                yield TriggerEvent({"asks": state.asks})
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.1, LONGEST_PAUSE_SECONDS)


class CanaryOperator(HITLOperator):
    """Waits, deferred, until the candidate of this run has passed every step. Fails when a step condemns it.

    Meanwhile a person may decide instead, under "Required Actions" of the task. Where the model `is_approved` by a
    person, that question comes when the candidate waits, with the numbers of that moment.
    """

    def __init__(self, *, model: str, is_approved: bool = False, **kwargs: Any) -> None:
        subject = f"The canary of {model} is under way. Promote it now, or roll it back?"
        body = "You need not answer. SQL judges each step. `cyclone status` shows how the canary stands."
        options = [PROMOTE, ROLL_BACK]
        if is_approved:
            subject = f"{model}: a candidate waits for your approval. Shall its release go on?"
            body, options = "`cyclone status` shows how the release stands.", [APPROVE, REFUSE]
        super().__init__(subject=subject, body=body, options=options, **kwargs)
        self.model, self.is_approved = model, is_approved

    def execute(self, context: "Context") -> None:
        if not self.is_approved:
            self._ask(context, self.body)
        self._wait(context)

    def conclude(self, context: "Context", event: dict[str, Any]) -> str:
        """The reason why the canary passed: the trigger's judgement or a person's choice, whichever came first.

        Errors: `AirflowFailException` with the reason why it did not pass.
        """
        if "asks" in event:
            self._ask(context, event["asks"])
            self._wait(context, is_asked=True)
        if event.get("chosen_options") in ([APPROVE], [REFUSE]):
            self._answer(context["run_id"], event)
            self._wait(context, is_asked=True)  # the store knows what follows, whoever answered first
        if "chosen_options" in event:
            event = self._follow(context["run_id"], event)
        if not event["is_passed"]:
            raise AirflowFailException(f"The canary of {context['run_id']} failed: {event['reason']}")
        self.log.info("The canary passed: %s", event["reason"])
        return str(event["reason"])

    def _ask(self, context: "Context", body: str | None) -> None:
        upsert_hitl_detail(context["task_instance"].id, self.options, self.subject, body, params={})

    def _wait(self, context: "Context", is_asked: bool = False) -> NoReturn:
        trigger = CanaryTrigger(model=self.model, retraining=context["run_id"], is_asked=is_asked)
        self.defer(trigger=trigger, method_name="conclude")

    def _answer(self, run_id: str, choice: dict[str, Any]) -> None:
        """Keep a person's answer. One that comes too late changes nothing, and the log says why."""
        from cyclone.errors import ReleaseError
        from cyclone.releases import release_of_run
        from cyclone.settings import read_settings
        from cyclone.spec import find_model
        from cyclone.store import Store
        from releasing.approval.answers import decide

        settings = read_settings()
        release = release_of_run(Store(settings.store_dsn), self.model, run_id)
        user = choice["responded_by_user"] or {"name": "somebody"}
        is_approved = choice["chosen_options"] == [APPROVE]
        spec = find_model(settings.models_dir, self.model)
        try:
            decide(settings, spec, is_approved, user["name"], "in Airflow", release.version if release else None)
        except ReleaseError as error:
            self.log.warning("The answer of %s came to nothing: %s", user["name"], error)

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
