"""The tasks that wait in the triggerer, as Airflow keeps them. Run as a program with AIRFLOW_HOME set.

`python -m tests.upgrade.deferred record MODEL RUN_ID START END` prints one JSON line for each trigger of the release
whose code this is: its path, its arguments, the method that its task goes on with, and what it answered.
`python -m tests.upgrade.deferred finish`, with such lines on standard input, loads and runs each of them by the code
of now, lets its task go on, and prints the answers.
"""

import asyncio
import json
import sys
from datetime import timedelta
from importlib import import_module
from typing import Any, get_args

from airflow.triggers.base import BaseTrigger, TriggerEvent

from cyclone.sections import CheckKind
from cyclone_airflow.canary import CanaryOperator, CanaryTrigger
from cyclone_airflow.health import ModelHealthSensor, ModelHealthTrigger, look_at_health
from cyclone_airflow.monitor_tasks import MonitorStep, MonitorStepTrigger, read_results

DEADLINE_SECONDS = 60
TEN_YEARS = timedelta(days=3650)


def list_waiting(model: str, retraining: str, start: str, end: str) -> list[tuple[BaseTrigger, str]]:
    """A trigger of each kind that answers, with the method that its task goes on with."""
    run = {"run_id": "deferred", "interval_start": start, "interval_end": end, "model_yaml": ""}
    steps = ["roll_up", *(f"check_{kind}" for kind in get_args(CheckKind)), "reevaluate"]
    waiting: list[tuple[BaseTrigger, str]] = [(CanaryTrigger(model=model, retraining=retraining), "conclude")]
    if look_at_health(model, ["service"], TEN_YEARS).is_healthy:  # else it would wait for ever
        trigger = ModelHealthTrigger(model, ["service"], TEN_YEARS.total_seconds(), 30.0)
        waiting.append((trigger, "conclude"))
    return waiting + [(MonitorStepTrigger(step=step, model=model, **run), "execute") for step in steps]


def load(path: str, arguments: dict[str, Any]) -> BaseTrigger:
    """The trigger as the triggerer makes it from what is stored."""
    module, _, name = path.rpartition(".")
    trigger: BaseTrigger = getattr(import_module(module), name)(**arguments)
    return trigger


def answer(trigger: BaseTrigger) -> Any:
    """The trigger's event, or the result with which it ends its task."""

    async def wait() -> TriggerEvent:
        return await anext(aiter(trigger.run()))

    event = asyncio.run(asyncio.wait_for(wait(), DEADLINE_SECONDS))
    return event.xcoms["return_value"] if hasattr(event, "xcoms") and event.xcoms else event.payload


def go_on(path: str, method: str, arguments: dict[str, Any], event: Any) -> Any:
    """What the waiting task returns. A step of the monitor has ended by its trigger. Its result is read downstream."""
    name = path.rpartition(".")[2]
    if name == "CanaryTrigger":
        return getattr(CanaryOperator(task_id="canary", model=arguments["model"]), method)({}, event)
    if name == "ModelHealthTrigger":
        return getattr(ModelHealthSensor(task_id="health", model=arguments["model"]), method)({}, event)
    assert callable(getattr(MonitorStep, method))
    if arguments["step"].startswith("check_"):
        return [result.to_json() for result in read_results(json.dumps(event))]
    return event


def main(command: str, *arguments: str) -> None:
    """Record or finish, one line a trigger."""
    if command == "record":
        for trigger, method in list_waiting(*arguments):
            path, stored = trigger.serialize()
            line = {"path": path, "arguments": stored, "method": method, "answer": answer(trigger)}
            print("WAITING" + json.dumps(line))
        return
    for text in sys.stdin:
        waiting = json.loads(text)
        given = answer(load(waiting["path"], waiting["arguments"]))
        returned = go_on(waiting["path"], waiting["method"], waiting["arguments"], given)
        old = go_on(waiting["path"], waiting["method"], waiting["arguments"], waiting["answer"])
        print(
            "FINISHED"
            + json.dumps({"path": waiting["path"], "answer": given, "returned": returned, "of_old_answer": old})
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
