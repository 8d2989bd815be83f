"""The rehearsal of a candidate: the newest logged requests are sent to its own address before it has any traffic."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cyclone.errors import RehearsalError
from cyclone.image_contract import REHEARSAL_HEADER, REHEARSAL_TOKEN_VARIABLE
from cyclone.losses import Prediction, compute_error
from cyclone.releases import current_release
from cyclone.rows.frames import inputs_from_rows
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store
from cyclone.wording import format_number
from releasing.candidate import Candidate
from releasing.cloud_run import CloudRun
from training.fit.scores import predict
from training.tracking.versions import fetch_version

WARM_UP_REQUESTS = 5
"""How many requests are sent before the measured ones. The first answers of an instance are slower than all later."""
# Below so many labelled rows one odd row decides which mean error is larger, so errors are not compared.
MINIMUM_LABELLED_ROWS = 20
# A request without an answer for so long fails the rehearsal. It is far above any `rehearsal_latency_ms`.
REQUEST_SECONDS = 30
# Differences up to here are rounding: the same model may add numbers in another order elsewhere.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Rehearsal:
    """The measurements of a rehearsal.

    Both errors are means over the same labelled rows. They are None if the champion had answered too few of them.
    """

    requests: int
    latency_p95_ms: float
    labelled_rows: int
    candidate_error: float | None
    champion_error: float | None


def rehearse(settings: Settings, spec: ModelSpec, candidate: Candidate, version: int) -> Rehearsal:
    """Send the newest `release.rehearsal_requests` logged rows to the candidate, one row a request.

    The requests are marked, so that none of them is logged.
    Errors: `RehearsalError` when an answer is not valid, the 95th percentile of the latency is above
    `rehearsal_latency_ms`, a prediction differs from the registered model's, or the error is above the champion's by
    more than the gate allows.
    """
    store = Store(settings.store_dsn)
    champion = current_release(store, spec.name)
    rows = store.fetch(
        "release/rehearsal_rows",
        model=spec.name,
        champion=None if champion is None else champion.version,
        newest=spec.release.rehearsal_requests,
    )
    if not rows:
        return Rehearsal(0, 0.0, 0, None, None)
    token = CloudRun(settings).read_variable(spec.service_name, candidate.revision, REHEARSAL_TOKEN_VARIABLE)
    answers, latencies = _play(candidate, rows, token)
    check_skew(spec, rows, answers, predict_offline(settings, spec, version, rows))
    rehearsal = summarize(rows, answers, latencies)
    check_limits(spec, rehearsal)
    return rehearsal


def _play(candidate: Candidate, rows: Sequence[Row], token: str) -> tuple[list[Prediction], list[float]]:
    import requests

    answers, latencies = [], []
    with requests.Session() as session:
        session.headers[REHEARSAL_HEADER] = token
        for row in [*rows[:WARM_UP_REQUESTS], *rows]:
            began = time.perf_counter()
            try:
                reply = session.post(
                    f"{candidate.tag_address}/predict", json={"rows": [row["input"]]}, timeout=REQUEST_SECONDS
                )
            except requests.RequestException as error:
                raise RehearsalError(
                    f"{candidate.revision} did not answer logged row {row['id']}. Look at the logs of this revision:"
                    f" {error}"
                ) from error
            latencies.append((time.perf_counter() - began) * 1000)
            answers.append(_read_answer(candidate, row, reply))
    return answers[-len(rows) :], latencies[-len(rows) :]


def _read_answer(candidate: Candidate, row: Row, reply: Any) -> Prediction:
    try:
        answer: Prediction = reply.json()["predictions"][0]["prediction"]
    except (ValueError, LookupError, TypeError):
        answer = math.nan
    values = answer.values() if isinstance(answer, dict) else [answer]
    if reply.status_code != 200 or not values or not all(_is_finite(value) for value in values):
        raise RehearsalError(
            f"{candidate.revision} answered logged row {row['id']} with {reply.status_code}: {reply.text[:300]}"
            " Look at the logs of this revision"
        )
    return answer


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def predict_offline(settings: Settings, spec: ModelSpec, version: int, rows: Sequence[Row]) -> list[Prediction]:
    """What the registered model predicts here for the logged rows, in the form in which a service answers."""
    trained = fetch_version(settings, spec, version)
    inputs = inputs_from_rows(trained.spec, [row["input"] for row in rows])
    predictions = predict(trained.spec, trained.stored.load(), inputs).tolist()
    if trained.spec.task == "multiclass":
        names = [str(value) for value in trained.spec.label.values or ()]
        return [dict(zip(names, values, strict=True)) for values in predictions]
    return [float(value) for value in predictions]


def check_skew(
    spec: ModelSpec, rows: Sequence[Row], served: Sequence[Prediction], offline: Sequence[Prediction]
) -> None:
    """Compare what the image answered with what the registered model predicts here, row by row.

    Errors: `RehearsalError` naming the first row whose answers differ by more than `TOLERANCE`.
    """
    for row, ours, theirs in zip(rows, served, offline, strict=True):
        if not _is_same(ours, theirs):
            raise RehearsalError(
                f"{spec.name}: the image answers logged row {row['id']} with {ours}, the registered model with"
                f" {theirs}. They are not the same model, or they build their inputs differently. Compare the packages"
                f" and pipeline.py of the image with those of the training, then type `cyclone retrain {spec.name}`"
            )


def _is_same(one: Prediction, other: Prediction) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return all(math.isclose(one.get(name, 0.0), value, abs_tol=TOLERANCE) for name, value in other.items())
    if isinstance(one, dict) or isinstance(other, dict):
        return False
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def summarize(rows: Sequence[Row], answers: Sequence[Prediction], latencies: Sequence[float]) -> Rehearsal:
    """The measurements of a rehearsal. Latencies are in milliseconds, in any order.

    Both errors are over the labelled rows that the champion had answered.
    """
    pairs = [
        (compute_error(row["label"], answer), compute_error(row["label"], row["champion_prediction"]))
        for row, answer in zip(rows, answers, strict=True)
        if row["label"] is not None and row["champion_prediction"] is not None
    ]
    is_enough = len(pairs) >= MINIMUM_LABELLED_ROWS
    return Rehearsal(
        requests=len(rows),
        latency_p95_ms=sorted(latencies)[math.ceil(0.95 * len(latencies)) - 1],
        labelled_rows=len(pairs),
        candidate_error=sum(pair[0] for pair in pairs) / len(pairs) if is_enough else None,
        champion_error=sum(pair[1] for pair in pairs) / len(pairs) if is_enough else None,
    )


def check_limits(spec: ModelSpec, rehearsal: Rehearsal) -> None:
    """Hold a rehearsal to its limits. Errors: `RehearsalError` when it is too slow, or worse than the gate allows."""
    limit = spec.release.rehearsal_latency_ms
    if rehearsal.latency_p95_ms > limit:
        raise RehearsalError(
            f"{spec.name}: of {rehearsal.requests} rehearsed requests 95 % took up to"
            f" {format_number(rehearsal.latency_p95_ms)} ms. release.rehearsal_latency_ms in model.yaml allows"
            f" {limit:g}. Raise it, or build a faster estimator in pipeline.py"
        )
    if rehearsal.candidate_error is None or rehearsal.champion_error is None:
        return
    allowed = rehearsal.champion_error * (1 + spec.retrain.gate_margin)
    if rehearsal.candidate_error > allowed:
        raise RehearsalError(
            f"{spec.name}: the candidate's error {format_number(rehearsal.candidate_error)} on"
            f" {rehearsal.labelled_rows} logged rows is above the allowed {format_number(allowed)}. The champion's is"
            f" {format_number(rehearsal.champion_error)}, and retrain.gate_margin allows {spec.retrain.gate_margin:g}"
            " of it more. The champion goes on to serve"
        )
