"""The models that a DAG file has to build DAGs for."""

from airflow.sdk import get_parsing_context

from cyclone.names import DagKind, name_dag
from cyclone.settings import Settings
from cyclone.spec import ModelSpec, find_model, load_model_specs


def find_specs(settings: Settings, kind: DagKind) -> list[ModelSpec]:
    """Every model whose `model.yaml` is in order. In the process of one task it is only that task's model.

    Otherwise a task of one model among hundreds would read and build all of them before it starts.
    """
    dag_id = get_parsing_context().dag_id
    prefix = name_dag(kind, "")
    if dag_id is not None and dag_id.startswith(prefix):
        return [find_model(settings.models_dir, dag_id.removeprefix(prefix))]
    return load_model_specs(settings.models_dir)[0]
