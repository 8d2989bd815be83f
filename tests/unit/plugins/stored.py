"""What Airflow keeps of a trigger and of a DAG, and makes of it again."""

from importlib import import_module
from typing import Any

from airflow.models.trigger import Trigger
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import BaseSerialization, DagSerialization
from airflow.triggers.base import BaseTrigger, TriggerEvent


def store_trigger(trigger: BaseTrigger) -> tuple[str, dict[str, Any], BaseTrigger]:
    """The path and arguments as they are in Airflow's database, and the trigger that its triggerer makes of them."""
    row = Trigger.from_object(trigger)
    module, _, name = row.classpath.rpartition(".")
    made: BaseTrigger = getattr(import_module(module), name)(**row.kwargs)
    return row.classpath, row.kwargs, made


def store_dag(dag: DAG) -> Any:
    """The DAG as Airflow's scheduler reads it."""
    return DagSerialization.from_dict(DagSerialization.to_dict(dag))


def read_stored(arguments: Any) -> Any:
    """The arguments of a trigger with which a task begins, as Airflow reads them from the DAG."""
    return BaseSerialization.deserialize(arguments)


async def fire(trigger: BaseTrigger) -> TriggerEvent:
    """The one event of a trigger, which ends with it."""
    events = [event async for event in trigger.run()]
    assert len(events) == 1, events
    return events[0]
