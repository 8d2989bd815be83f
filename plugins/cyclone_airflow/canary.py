"""The canary: raise a candidate's share of live traffic step by step, without holding a worker."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

from cyclone.errors import ReleaseError

if TYPE_CHECKING:
    from airflow.sdk import Context

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.3, 3.0


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
        from training.canary import CanaryWatch

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
