"""Lineage: everything that led to a prediction, to a version or to the answer to an incident.

It is read from the store only.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from cyclone.errors import LineageError
from cyclone.releases import releases_of_version
from cyclone.store import Row, Store, Transaction
from cyclone.wording import cut

FORMS = "a prediction's id, <model>:v<version>, or incident <number>"
"""The ways to name a subject."""
NUMBER = 9
"""The most digits of a version or an incident. With 9, a number fits an integer column of Postgres."""


@dataclass(frozen=True)
class Lineage:
    """The rows of the store that belong to one subject. A field is None or empty where the store has no such row.

    Each row of `releases` has the `steps` of its canary.
    """

    prediction: Row | None = None
    labels: Sequence[Row] = ()
    calibration: Row | None = None
    version: Row | None = None
    calibrations: Sequence[Row] = ()
    dataset: Row | None = None
    gate: Row | None = None
    retraining: Row | None = None
    incident: Row | None = None
    alarms: Sequence[Row] = ()
    checks: Sequence[Row] = ()
    releases: Sequence[Row] = ()

    def to_json(self) -> dict[str, Any]:
        """The lineage as values for JSON. Times become ISO texts, and decimals become floats."""
        plain: dict[str, Any] = _make_plain(asdict(self))
        return plain


def explain(store: Store, models: Sequence[str], subject: str) -> Lineage:
    """The lineage of a subject that is named in one of the `FORMS`. A prediction's id is looked up among `models`.

    Errors: `LineageError` when the store has no such subject.
    """
    with store.transaction() as transaction:
        # An id may contain a colon as well, so a version is meant only after the name of a model.
        if found := re.fullmatch(rf"incident[ :](\d{{1,{NUMBER}}})", subject):
            return explain_incident(transaction, int(found[1]))
        if (found := re.fullmatch(rf"(.+):v?(\d{{1,{NUMBER}}})", subject)) and found[1] in models:
            return explain_version(transaction, found[1], int(found[2]))
        return explain_prediction(transaction, models, subject)


def explain_prediction(transaction: Transaction, models: Sequence[str], identity: str) -> Lineage:
    """The lineage of a prediction: its row, its labels, its calibration and the lineage of its version.

    Errors: `LineageError` when no model has the id, or several models have it.
    """
    found = transaction.fetch("lineage/prediction", models=list(models), id=identity)
    if not found:
        raise LineageError(
            f"{cut(identity)!r} is no prediction in the log of {', '.join(models) or 'any model'}. A subject is {FORMS}"
        )
    if len(found) > 1:
        named = ", ".join(row["model"] for row in found)
        raise LineageError(f"{cut(identity)!r} is a prediction of {named}: name one of them with --model")
    (row,) = found
    made = Lineage() if row["version"] is None else _explain_made(transaction, row["model"], row["version"])
    used = [item for item in made.calibrations if item["revision"] == row["revision"]]
    return Lineage(
        **{
            **_list_fields(made),
            "prediction": row,
            "labels": transaction.fetch("lineage/labels", model=row["model"], id=identity),
            "calibration": used[0] if used else None,
            "calibrations": (),
        }
    )


def explain_version(transaction: Transaction, model: str, version: int) -> Lineage:
    """The lineage of a version: what led to it and where it served.

    Errors: `LineageError` naming the versions of the model that exist.
    """
    made = _explain_made(transaction, model, version)
    if made.version is None:
        known = [row["version"] for row in transaction.fetch("lineage/versions", model=model)]
        shown = ", ".join(f"v{number}" for number in known) or "none"
        raise LineageError(f"{model} has no version {version}. Versions in the store: {shown}")
    return made


def explain_incident(transaction: Transaction, number: int) -> Lineage:
    """The lineage of an incident: its alarms, their verdicts, and the retraining that answered it.

    Errors: `LineageError` when there is no such incident.
    """
    raised = _explain_raised(transaction, number)
    if raised.incident is None:
        raise LineageError(f"incident {number} is not in the store: `cyclone timeline <model>` shows those of a model")
    answer = transaction.fetch_one("lineage/retraining", model=None, run_id=None, incident_id=number)
    if answer is None:
        return raised
    version = answer["version"]
    made = Lineage() if version is None else _explain_made(transaction, raised.incident["model"], version)
    run = _read_run(transaction, raised.incident["model"], answer["run_id"])
    return Lineage(**{**_list_fields(made), **_list_fields(raised), **run})


def list_asking(alarms: Sequence[Row], run_id: str | None) -> list[Row]:
    """The alarms that asked for a retraining. The alarm of the run that answers is left out if there are others."""
    return [alarm for alarm in alarms if alarm["source"] != run_id] or list(alarms)


def name_requester(alarm: Row) -> str:
    """Who raised an alarm, such as `manual__2011-02-17 by ada`."""
    by = alarm["detail"].get("asked_by")
    return f"{alarm['source']} by {by}" if by else str(alarm["source"])


def _explain_made(transaction: Transaction, model: str, version: int) -> Lineage:
    """The lineage of a version, empty if the store does not know it.

    A container behind the logging proxy has no reference profile. Its lineage comes from its releases alone.
    """
    known = transaction.fetch_one("lineage/version", model=model, version=version)
    releases = [asdict(release) for release in releases_of_version(transaction, model, version)]
    if known is None and not releases:
        return Lineage()
    for release in releases:
        release["steps"] = transaction.fetch("release/canary_steps", release_id=release["release_id"])
    run_id = known["run_id"] if known and known["run_id"] else None
    run = _read_run(transaction, model, run_id or (releases[0]["run_id"] if releases else None))
    incident = run["retraining"]["incident_id"] if run["retraining"] else None
    raised = Lineage() if incident is None else _explain_raised(transaction, incident)
    return Lineage(
        **{
            **_list_fields(raised),
            **run,
            "version": known or {"model": model, "version": version},
            "calibrations": transaction.fetch("lineage/calibrations", model=model, version=version),
            "releases": releases,
        }
    )


def _explain_raised(transaction: Transaction, number: int) -> Lineage:
    incident = transaction.fetch_one("policy/incident", incident_id=number, model=None)
    if incident is None:
        return Lineage()
    alarms = transaction.fetch("lineage/alarms", incident_id=number)
    return Lineage(incident=incident, alarms=alarms, checks=transaction.fetch("lineage/checks", incident_id=number))


def _read_run(transaction: Transaction, model: str, run_id: str | None) -> dict[str, Row | None]:
    run = {"model": model, "run_id": run_id}
    return {
        "retraining": transaction.fetch_one("lineage/retraining", **run, incident_id=None),
        "dataset": transaction.fetch_one("lineage/dataset", **run),
        "gate": transaction.fetch_one("lineage/gate", **run),
    }


def _list_fields(lineage: Lineage) -> dict[str, Any]:
    """The fields of a lineage that are not empty."""
    return {name: value for name, value in vars(lineage).items() if value}


def _make_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _make_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_make_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
