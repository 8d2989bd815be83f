"""The names that several parts must agree on: names of DAGs, retrainings, services, revisions and tags."""

import re
from typing import Literal

DagKind = Literal["monitor", "retrain"]
ASKED_BY_KEY = "asked_by"
"""The key in a run's conf with which a command names its user to an Airflow that asks for no password."""


def name_dag(kind: DagKind, model: str) -> str:
    """The id of a DAG of a model.

    >>> name_dag("monitor", "bike_demand")
    'monitor__bike_demand'
    """
    return f"{kind}__{model}"


def name_retraining(model: str, incident_id: int) -> str:
    """The id of the run that answers an incident. It depends on the incident alone, so the run can start only once.

    >>> name_retraining("bike_demand", 7)
    'retrain__bike_demand__incident_7'
    """
    return f"{name_dag('retrain', model)}__incident_{incident_id}"


def read_incident(model: str, run_id: str) -> int | None:
    """The incident in a run id that `name_retraining` made. None for any other run id.

    >>> read_incident("bike_demand", "retrain__bike_demand__incident_7"), read_incident("bike_demand", "manual__1")
    (7, None)
    """
    _, _, number = run_id.rpartition("_")
    if not re.fullmatch("[0-9]{1,18}", number) or name_retraining(model, int(number)) != run_id:
        return None
    return int(number)


def name_service(model: str) -> str:
    """The name of a model's service. Cloud Run allows no underscore in it."""
    return model.replace("_", "-")


def name_tag(version: int) -> str:
    """The tag of a version's image, and of its revision. Behind its tag a revision answers even without traffic."""
    return f"v{version}"


def read_tag(tag: str) -> int | None:
    """The version in a tag that `name_tag` made. None for any other tag."""
    return int(tag[1:]) if re.fullmatch(r"v\d+", tag) else None


def name_revision(model: str, version: int, calibration_id: int | None = None) -> str:
    """The name of a version's revision, with the number of its calibration if it has one.

    >>> name_revision("bike_demand", 3), name_revision("bike_demand", 3, calibration_id=12)
    ('bike-demand-v3', 'bike-demand-v3-c12')
    """
    raw = f"{name_service(model)}-{name_tag(version)}"
    return raw if calibration_id is None else f"{raw}-c{calibration_id}"


def is_revision_of(revision: str, model: str, version: int) -> bool:
    """Whether a revision answers with a version, with a calibration or without one.

    >>> is_revision_of("bike-demand-v1-c2", "bike_demand", 1), is_revision_of("bike-demand-v12", "bike_demand", 1)
    (True, False)
    """
    return f"{revision}-".startswith(f"{name_revision(model, version)}-")


def is_calibration_of(revision: str, model: str, version: int) -> bool:
    """Whether a revision answers with a calibration of a version."""
    return revision.startswith(f"{name_revision(model, version)}-c")
