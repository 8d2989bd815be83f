"""A model of one feature, of each task."""

from typing import Any

from cyclone.spec import ModelSpec

KINDS: dict[str, dict[str, Any]] = {
    "regression": {"name": "y", "type": "number", "expected_delay_hours": 0},
    "binary": {"name": "y", "type": "boolean", "expected_delay_hours": 0},
    "multiclass": {"name": "y", "type": "category", "values": ["a", "b", "c"], "expected_delay_hours": 0},
}


def build_spec(task: str) -> ModelSpec:
    features = [{"name": "x", "type": "number"}]
    return ModelSpec.model_validate({"name": "toy", "task": task, "features": features, "label": KINDS[task]})
