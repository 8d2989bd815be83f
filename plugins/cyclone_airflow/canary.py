"""The canary: raise a candidate's share of live traffic step by step, without holding a worker."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

from cyclone.errors import ReleaseError

if TYPE_CHECKING:
    from airflow.sdk import Context

POLL_SECONDS = 0.5


class CanaryTrigger(BaseTrigger):
    """Advances the canary of one retraining until it is over; every step is kept in the store."""

    def __init__(self, model: str, retraining: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self.retraining = retraining

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "cyclone_airflow.canary.CanaryTrigger", {"model": self.model, "retraining": self.retraining}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from cyclone.settings import read_settings
        from cyclone.spec import find_model
        from training.canary import advance_canary

        settings = read_settings()
        spec = find_model(settings.models_dir, self.model)
        while True:
            try:
                state = await asyncio.to_thread(advance_canary, settings, spec, self.retraining)
            except Exception as error:
                yield TriggerEvent({"is_passed": False, "reason": f"{type(error).__name__}: {error}"})
                return
            if state.is_over:
                yield TriggerEvent({"is_passed": state.is_passed, "reason": state.reason})
                return
            await asyncio.sleep(POLL_SECONDS)


class CanaryOperator(BaseOperator):
    """Wait, deferred, until the candidate of this run has passed every step; fail when one condemns it."""

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model

    def execute(self, context: "Context") -> None:
        trigger = CanaryTrigger(model=self.model, retraining=context["run_id"])
        self.defer(trigger=trigger, method_name="conclude")

    def conclude(self, context: "Context", event: dict[str, Any]) -> str:
        if not event["is_passed"]:
            raise ReleaseError(f"The canary of {context['run_id']} failed: {event['reason']}")
        self.log.info("The canary passed: %s", event["reason"])
        return str(event["reason"])
