"""A model's health for your own DAGs: a sensor that waits for it, an operator that runs the checks, and two assets."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from airflow.sdk import Asset, BaseOperator, BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from cyclone.checks.health import Health, check_kinds, read_health
from cyclone.sections import CheckKind
from cyclone.settings import read_settings
from cyclone.spec import find_model
from cyclone.store import Store

if TYPE_CHECKING:
    from airflow.sdk import Context

    from cyclone.checks.verdicts import CheckResult

KINDS = get_args(CheckKind)
HEALTH_KINDS: tuple[CheckKind, ...] = ("error", "service")
"""The kinds of checks that the sensor asks for unless it is told."""
POLL = timedelta(seconds=30)
"""How often the sensor looks, unless it is told."""


def verdicts_asset(model: str) -> Asset:
    """The asset that every run of `monitor__<model>` updates. Its events carry the counts of verdicts as extra."""
    # For a scheme without "x-" Airflow looks for a normaliser and loads every provider: seconds of CPU in every task.
    return Asset(name=f"verdicts of {model}", uri=f"x-cyclone://{model}/verdicts")


def holds_asset(model: str) -> Asset:
    """The asset that `monitor__<model>` updates once for each hold, when a person must look."""
    return Asset(name=f"holds of {model}", uri=f"x-cyclone://{model}/holds")


def count_verdicts(results: "Sequence[CheckResult]") -> dict[str, int]:
    """How many verdicts of each sort there are: `passed`, `failed` and `no_data`."""
    counts = Counter(result.verdict for result in results)
    return {verdict: counts[verdict] for verdict in ("passed", "failed", "no_data")}


class ModelHealthTrigger(BaseTrigger):
    """Waits, in the triggerer, until the newest verdicts of a model are healthy."""

    def __init__(self, model: str, kinds: list[CheckKind], max_age_seconds: float, poll_seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self.kinds = kinds
        self.max_age_seconds = max_age_seconds
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("model", "kinds", "max_age_seconds", "poll_seconds")
        return "cyclone_airflow.health.ModelHealthTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        max_age = timedelta(seconds=self.max_age_seconds)
        while True:
            health = await asyncio.to_thread(look_at_health, self.model, self.kinds, max_age)
            if health.is_healthy:
                yield TriggerEvent({"reason": health.reason})
                return
            await asyncio.to_thread(self.log.info, "%s is not healthy: %s", self.model, health.reason)
            await asyncio.sleep(self.poll_seconds)


class ModelHealthSensor(BaseSensorOperator):
    """Waits until the newest verdicts of `model` are healthy: all of them `passed`, and none too old.

    `max_age` is how long ago a newer verdict could have been there. `cyclone.checks.health.judge_health` defines it.
    `kinds` are the kinds of checks that count, by default `error` and `service`. The sensor waits deferred, in no
    worker slot, for up to `timeout`. With `timeout=0` it does not wait, and an unhealthy model fails the task at once.
    The result is the reason, as a sentence.
    """

    template_fields: Sequence[str] = ("model",)

    def __init__(
        self,
        *,
        model: str,
        max_age: timedelta = timedelta(hours=1),
        kinds: Sequence[CheckKind] = HEALTH_KINDS,
        poke_interval: timedelta | float = POLL,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        check_kinds(kinds, KINDS)
        self.model = model
        self.max_age = max_age
        self.kinds = list(kinds)
        self.deferrable = deferrable

    def poke(self, context: "Context") -> bool:
        return self._look().is_healthy

    def execute(self, context: "Context") -> str | None:
        health = self._look()
        if health.is_healthy:
            return health.reason
        if self.timeout == 0 and not self.soft_fail:
            raise AirflowFailException(f"{self.model} is not healthy: {health.reason}")
        if self.deferrable:
            trigger = ModelHealthTrigger(self.model, self.kinds, self.max_age.total_seconds(), self.poke_interval)
            self.defer(trigger=trigger, method_name="conclude", timeout=timedelta(seconds=self.timeout))
        super().execute(context)
        return self._look().reason

    def conclude(self, context: "Context", event: dict[str, Any]) -> str:
        self.log.info("%s is healthy: %s", self.model, event["reason"])
        return str(event["reason"])

    def _look(self) -> Health:
        from cyclone.checks.verdict_table import format_verdicts

        health = look_at_health(self.model, self.kinds, self.max_age)
        self.log.info("%s\n%s", health.reason, format_verdicts(health.verdicts))
        return health


class ModelChecksOperator(BaseOperator):
    """Rolls up what was logged, runs a model's checks now, and records, logs and returns the verdicts.

    With `fail_on_failed` a failed check fails the task. The operator starts no retraining, because the monitor does.
    """

    template_fields: Sequence[str] = ("model",)

    def __init__(
        self, *, model: str, kinds: Sequence[CheckKind] = KINDS, fail_on_failed: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_kinds(kinds, KINDS)
        self.model = model
        self.kinds = list(kinds)
        self.fail_on_failed = fail_on_failed

    def execute(self, context: "Context") -> list[dict[str, Any]]:
        from cyclone.checks.evaluation import evaluate_checks
        from cyclone.checks.rollups import roll_up
        from cyclone.checks.verdict_table import format_verdicts
        from cyclone.clock import read_now

        settings = read_settings()
        spec, store = find_model(settings.models_dir, self.model), Store(settings.store_dsn)
        roll_up(store, spec)
        now = read_now(store, settings, self.model)
        # The monitor's runs may have the same id: a verdict is recorded once a run.
        run_id = f"{context['dag'].dag_id}.{self.task_id}.{context['run_id']}"
        results = [result for kind in self.kinds for result in evaluate_checks(store, spec, kind, now, run_id)]
        self.log.info("checks of %s:\n%s", self.model, format_verdicts(results))
        failed = [result for result in results if result.verdict == "failed"]
        if failed and self.fail_on_failed:
            names = ", ".join(f"{result.check_name} of {result.subject}" for result in failed)
            raise AirflowFailException(f"{self.model}: {names} failed")
        return [result.to_json() for result in results]


def look_at_health(model: str, kinds: Sequence[CheckKind], max_age: timedelta) -> Health:
    """The model's health at its present. Errors: `ConfigurationError` when there is no such model."""
    from cyclone.clock import read_now

    settings = read_settings()
    spec, store = find_model(settings.models_dir, model), Store(settings.store_dsn)
    return read_health(store, spec.name, kinds, max_age, read_now(store, settings, spec.name))
