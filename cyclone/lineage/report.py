"""Lineage as text: one section for each thing, one line for each fact."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cyclone.lineage.explain import Lineage, list_asking, name_requester
from cyclone.store import Row
from cyclone.wording import count_of, format_number, show_marks

NAME_WIDTH = 12
"""Characters of a fact's name. The longest, `fingerprint` and `calibration`, have 11."""
Facts = Iterator[tuple[str, str]]


def format_lineage(lineage: Lineage) -> str:
    """The text that `cyclone explain` prints. Things that the store does not have are left out or called missing.

    What clients sent, such as ids, is written without marks that a terminal obeys.
    """
    lines: list[str] = []
    for title, facts in _list_sections(lineage):
        lines += ["", show_marks(title)] if lines else [show_marks(title)]
        lines += [f"  {name:<{NAME_WIDTH}}{show_marks(text)}".rstrip() for name, text in facts]
    return "\n".join(lines)


def _list_sections(lineage: Lineage) -> Iterator[tuple[str, Facts]]:
    if lineage.prediction:
        row = lineage.prediction
        yield f"prediction {row['id']} of {row['model']}", _tell_prediction(lineage, row)
    if lineage.version:
        version = lineage.version
        yield f"version {version['version']} of {version['model']}", _tell_version(lineage, version)
    if lineage.incident:
        incident = lineage.incident
        yield f"incident {incident['incident_id']} of {incident['model']}", _tell_incident(lineage, incident)
    if lineage.retraining:
        yield f"retraining {lineage.retraining['run_id']}", _tell_retraining(lineage, lineage.retraining)
    for release in lineage.releases:
        yield f"release {release['release_id']}", _tell_release(release)


def _tell_prediction(lineage: Lineage, row: Row) -> Facts:
    if row["version"] is None:
        yield "answered", "by nobody: a row of the history, known before Cyclone"
    else:
        took = "" if row["latency_ms"] is None else f" in {row['latency_ms']:.3g} ms"
        yield "answered", f"{json.dumps(row['prediction'])}{took} by revision {row['revision']}"
        yield "instance", str(row["instance_id"])
        used = lineage.calibration
        yield "calibration", _describe_calibration(used) if used else "none: the version's own prediction"
    yield "created", _show(row["created_at"])
    yield "input", json.dumps(row["input"])
    if not lineage.labels:
        yield "label", "none so far"
    for place, label in enumerate(lineage.labels):
        yield "earlier" if place else "label", f"{json.dumps(label['label'])}, observed {_show(label['observed_at'])}"
    if row["version"] is not None and lineage.version is None:
        yield "version", f"{row['version']}. The store has neither a reference profile nor a release of it"


def _tell_version(lineage: Lineage, version: Row) -> Facts:
    if "mlflow_run_id" in version:
        yield "MLflow run", version["mlflow_run_id"]
        error = f"{version['metric']} {format_number(version['accepted_error'])} on days unseen by siblings"
        yield "accepted", f"with a {error}, {_show(version['registered_at'])}"
        yield "trained on", f"{version['training_rows']:,} rows"
    else:
        yield "MLflow run", "unknown: it was not trained here"
    for item in lineage.calibrations:
        if item["served_at"]:
            yield "calibration", f"{_describe_calibration(item)}, by {item['revision']}"


def _tell_incident(lineage: Lineage, incident: Row) -> Facts:
    """The facts of an incident. The first alarm opened it and is told in full. The other alarms are counted."""
    yield "opened", f"{_show(incident['opened_at'])}: {incident['reason']}"
    answer = lineage.retraining["run_id"] if lineage.retraining else None
    asking = list_asking(lineage.alarms, answer)
    for alarm in asking[:1]:
        yield "asked for", _describe_alarm(alarm)
        seen = [check for check in lineage.checks if check["run_id"] == alarm["source"]]
        failed = [check for check in seen if check["verdict"] == "failed"]
        for check in failed:
            yield "failed", describe_check(check)
        if passed := sum(check["verdict"] == "passed" for check in seen):
            yield "passed", f"{count_of(passed, 'other verdict' if failed else 'verdict')} of the same run"
    if more := asking[1:]:
        yield "joined by", f"{len(more)} more, the last: {_describe_alarm(more[-1])}"
    closed = incident["closed_at"]
    yield "closed", f"{_show(closed)}: {incident['outcome']}" if closed else "not yet"


def _describe_alarm(alarm: Row) -> str:
    because = f": {alarm['detail']['because']}" if alarm["detail"].get("because") else ""
    decided = f". Decided: {alarm['action']}, {alarm['decided']}" if alarm["action"] else ""
    return f"{_show(alarm['at'])} in {name_requester(alarm)}{because}{decided}"


def _tell_retraining(lineage: Lineage, run: Row) -> Facts:
    yield "started", _show(run["started_at"])
    if data := lineage.dataset:
        since = f"since {_show(data['since'])}" if data["since"] else "all"
        span = f"{_show(data['first_created_at'])} to {_show(data['last_created_at'])}"
        yield "data", f"{data['row_count']:,} rows, {since} that was known {_show(data['as_of'])}: {span}"
        yield "fingerprint", data["fingerprint"]
    if gate := lineage.gate:
        yield "gate", f"{'passed' if gate['is_passed'] else 'refused'}: {gate['reason']}"
        if gate["champion_version"] is not None:
            yield "champion", f"version {gate['champion_version']}"
    if run["finished_at"]:
        yield "ended", f"{_show(run['finished_at'])}: {run['outcome']}, {run['reason']}"


def _tell_release(release: Row) -> Facts:
    yield "revision", release["revision"]
    yield "image", release["image"]
    yield "digest", release["image_digest"]
    yield "candidate", _show(release["created_at"])
    for step in release["steps"]:
        verdict, reason = step["verdict"], step["detail"].get("reason", "")
        told = reason if reason.startswith(verdict) else ", ".join(filter(None, [verdict, reason]))
        yield "canary", f"{step['traffic_percent']} %: {told}"
    if release["promoted_at"]:
        yield "promoted", _show(release["promoted_at"])
    ended = f" {_show(release['ended_at'])}" if release["ended_at"] else ""
    yield "state", f"{release['state']}{ended}{': ' + release['reason'] if release['reason'] else ''}"


def _describe_calibration(calibration: Row) -> str:
    source = f", fingerprint {calibration['fingerprint']}" if calibration["fingerprint"] else ""
    return f"{calibration['calibration_id']}: {calibration['reason']}{source}"


def describe_check(check: Row) -> str:
    """A verdict in words, with its value, its number of samples, what judged it, and its window."""
    subject = "" if check["subject"] == "all" else f" of {check['subject']}"
    judged = (
        f"limit {format_number(check['limit_value'])}"
        if check["p_value"] is None
        else f"chance {format_number(check['p_value'])}"
    )
    window = f"{_show(check['window_start'])} to {_show(check['window_end'])}"
    return (
        f"{check['check_name']}{subject} of version {check['version']}: {format_number(check['value'])}"
        f" on {check['sample_size']:,}, {judged}, {window}"
    )


def _show(moment: Any) -> str:
    assert isinstance(moment, datetime)
    return f"{moment:%Y-%m-%d %H:%M}"
