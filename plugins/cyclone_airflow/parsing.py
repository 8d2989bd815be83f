"""Which models a DAG file has to build DAGs for."""

from airflow.sdk import get_parsing_context

from cyclone.settings import Settings
from cyclone.spec import ModelSpec, find_model, load_model_specs


def find_specs(settings: Settings, prefix: str) -> list[ModelSpec]:
    """Every model that is in order; in the process of one task only that of its DAG `<prefix>__<model>`.

    A task of one model among hundreds would else read and build all of them before it starts.
    """
    dag_id = get_parsing_context().dag_id
    if dag_id is not None and dag_id.startswith(f"{prefix}__"):
        return [find_model(settings.models_dir, dag_id.removeprefix(f"{prefix}__"))]
    return load_model_specs(settings.models_dir)[0]
