"""### Retrain a model, and release the new version only if it is better

One run answers one incident:

1. **start** takes the incident that the monitor opened. Where a person triggered this DAG by hand, it asks the policy.
   A request is held by broken upstream data, by two retrainings without gain, by two that failed, and by a spent
   budget. A person may name in *despite* which of these to ignore, and says why in *because*. An asset or another DAG
   also waits for the cooldown.
2. **dataset** takes every row whose label is known by now. **validate** checks it with Great Expectations. The page of
   the result is an extra link of the task.
3. **train** fits the challenger in an MLflow run. **gate** scores it and the champion on the same newest rows.
   If the challenger is shown to be worse, the run ends here and the champion stays. The numbers are an extra link of
   the task.
4. **register** makes the challenger a version with a reference profile. **image** builds the image that serves it.
5. **candidate** deploys the image at 0 % of the traffic. **rehearse** plays logged requests to it. **canary** raises
   its share step by step, and SQL judges each step. A person may promote it or roll it back meanwhile, under
   *Required Actions*.
6. **promote** moves traffic, alias and release record together. If any of these four fails, **roll_back**
   returns all traffic to the champion.
7. **close** closes the incident with its outcome.

Every task can run twice. Trigger the DAG from this page, over the REST API, or with
`airflow dags trigger retrain__<model>`.
"""

from datetime import UTC, datetime, timedelta
from functools import partial

from airflow.sdk import DAG, Param

from cyclone.names import name_dag
from cyclone.policy.requests import CAUSES
from cyclone.settings import read_settings
from cyclone.spec import ModelSpec
from cyclone_airflow.canary import CanaryOperator
from cyclone_airflow.parsing import find_specs
from cyclone_airflow.release_tasks import candidate, promote_task, rehearse_task, roll_back_task
from cyclone_airflow.retrain_tasks import (
    close,
    dataset,
    gate,
    image,
    keep_failure,
    register,
    start,
    train,
    validate,
)
from cyclone_airflow.run_links import GateLink, ValidationLink


def build_retrain_dag(spec: ModelSpec) -> DAG:
    """The DAG `retrain__<model>`. It has no schedule, because incidents and people start it."""
    model = spec.name
    with DAG(
        dag_id=name_dag("retrain", model),
        description=f"Retrain {model}, gate it, release it step by step",
        doc_md=f"{__doc__}\n\n**{model}**: {spec.description}",
        schedule=None,
        start_date=datetime(2011, 1, 1, tzinfo=UTC),
        max_active_runs=1,
        params={
            "because": Param("", type="string", description="Why, if a person asks."),
            "despite": Param([], type="array", items={"enum": list(CAUSES)}, description="What to ignore."),
        },
        default_args={
            "retries": 2,
            "retry_delay": timedelta(seconds=5),
            "on_failure_callback": partial(keep_failure, model),
        },
        tags=["cyclone", "retrain", model],
    ) as dag:
        started = start(model)
        data = dataset(model, started)
        valid = validate(model, data)
        dag.get_task("validate").operator_extra_links = (ValidationLink(),)
        challenger = train(model, data)
        decision = gate(model, data, challenger)
        dag.get_task("gate").operator_extra_links = (GateLink(),)
        version = register(model, challenger, decision)
        built = image(model, version)
        deployed = candidate(model, version, built)
        rehearsed = rehearse_task(model, version, deployed)
        judged = CanaryOperator(task_id="canary", model=model, is_approved=spec.release.approval != "none")
        promoted = promote_task(model, deployed)
        rolled_back = roll_back_task(model)
        closed = close(model, started)

        started >> data >> valid >> challenger >> decision >> version >> built >> deployed
        deployed >> rehearsed >> judged >> promoted
        [deployed, rehearsed, judged, promoted] >> rolled_back
        [promoted, rolled_back] >> closed
    return dag


for model_spec in find_specs(read_settings(), "retrain"):
    build_retrain_dag(model_spec)
