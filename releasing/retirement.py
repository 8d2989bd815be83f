"""Retirement: a model serves no more. Its service, its record, its retrainings and its aliases end together."""

from cyclone.clock import read_now
from cyclone.errors import ReleaseError
from cyclone.image_contract import SPEC_FILE
from cyclone.names import name_dag, name_service
from cyclone.policy.incidents import close_incident, find_open_incident, finish_retraining
from cyclone.policy.requests import CAUSES
from cyclone.releases import releases_under_way, retire_releases
from cyclone.settings import Settings
from cyclone.store import Store
from releasing.aliases import drop_alias, find_alias
from releasing.canary_steps import end_by_hand
from releasing.cloud_run import CloudRun
from releasing.lock import hold_releases
from training.tracking.client import CHALLENGER, CHAMPION


def retire(settings: Settings, model: str, by: str, because: str) -> list[str]:
    """Retire a model, and return what was done, in words. The model needs no folder any more.

    Its service on Cloud Run is deleted first, so that nothing answers without a record. Then its releases, incident,
    retrainings and holds end in the store, and its aliases in MLflow. Rows, versions and images stay. A repeated call
    completes what is missing, and then does nothing.
    Errors: `ReleaseError` for a name that nobody knows, or when Cloud Run refuses. `TrackingError` when MLflow does not
    answer: then only the aliases are left.
    """
    store, reason = Store(settings.store_dsn), f"the model was retired by {by}: {because}"
    _check_known(settings, store, model)
    done = []
    with hold_releases(store, model) as held:
        led, _ = releases_under_way(held, model)
        for release in led:
            end_by_hand(settings, model, release.run_id, goes_on=False, reason=reason)
        if CloudRun(settings, held).delete_service(name_service(model)):
            done.append(f"the service {name_service(model)} is deleted, and nothing answers any more")
        at = read_now(held, settings, model)
        ended = retire_releases(held, model, at, by, because)
    if ended is not None:
        version, runs = ended
        done.append(f"version {version} serves no more" if version else "no release is recorded any more")
        for run_id in runs:
            finish_retraining(store, model, run_id, at, "failed", reason, None)
            done.append(f"the retraining {run_id} releases nothing any more")
    done += _end_waiting(store, model, by, because)
    for alias in (CHAMPION, CHALLENGER):
        if (named := find_alias(settings, model, alias)) is not None:
            drop_alias(settings, model, alias, named)
            done.append(f"MLflow's alias {alias} is dropped")
    return done


def describe_rest(settings: Settings, model: str) -> str:
    """What is left for a person to do after a retirement, in words."""
    dags = f"{name_dag('monitor', model)} and {name_dag('retrain', model)}"
    folder = settings.models_dir / model
    if (folder / SPEC_FILE).is_file():
        return f"Remove {folder}, and Airflow drops {dags}. Until then `cyclone retrain {model}` brings the model back"
    return f"Airflow drops {dags}, as the model has no folder. `airflow dags delete` removes their past runs"


def _check_known(settings: Settings, store: Store, model: str) -> None:
    known = {row["model"] for row in store.fetch("retirement/models")}
    known |= {path.parent.name for path in settings.models_dir.glob(f"*/{SPEC_FILE}")}
    if model not in known:
        raise ReleaseError(
            f"model {model!r} has no folder and was never released. Models are {', '.join(sorted(known))}"
        )


def _end_waiting(store: Store, model: str, by: str, because: str) -> list[str]:
    """Close the open incident and the open holds, so that nothing waits for an answer."""
    done = []
    now = store.fetch_one("retirement/newest", model=model, at="infinity")
    assert now is not None, "it has just been recorded, or was before"
    incident = find_open_incident(store, model)
    if incident is not None:
        close_incident(store, incident.incident_id, max(now["at"], incident.opened_at), "failed")
        done.append(f"incident {incident.incident_id} is closed")
    closed = {"at": now["at"], "closed_by": by, "because": because}
    held = store.fetch("holds/resume", model=model, causes=list(CAUSES), **closed)
    return done + [f"no longer held: {row['reason']}" for row in held]
