"""The rehearsal of a candidate: the newest logged requests are sent to its own address before it has any traffic."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cyclone.calibration.correction import Calibration
from cyclone.calibration.fitting import answer_other_days
from cyclone.calibration.looks import read_calibration
from cyclone.clock import read_now
from cyclone.error_ratio import ErrorRatio, compare_days
from cyclone.errors import RehearsalError
from cyclone.image_contract import REHEARSAL_HEADER, REHEARSAL_TOKEN_VARIABLE
from cyclone.losses import Prediction, compute_error
from cyclone.releases import current_release
from cyclone.rows.frames import inputs_from_rows
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store
from cyclone.times import count_days
from cyclone.wording import format_number
from releasing.candidate import Candidate
from releasing.cloud_run import CloudRun
from releasing.revisions.invocation import build_caller_headers
from training.fit.scores import predict
from training.gate.labelled_days import build_labelled_days, read_untrained
from training.gate.rules import CONFIDENCE, MINIMUM_SLICE_DAYS, MINIMUM_SLICE_ROWS
from training.tracking.versions import TrainedVersion, fetch_version

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

WARM_UP_REQUESTS = 5
"""How many requests are sent before the measured ones. The first answers of an instance are slower than all later."""
# A request without an answer for so long fails the rehearsal. It is far above any `rehearsal_latency_ms`.
REQUEST_SECONDS = 30
# Differences up to here are rounding: the same model may add numbers in another order elsewhere.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Rehearsal:
    """The measurements of a rehearsal.

    Both errors are means over the same labelled rows, which neither version was trained on. They are None if the
    champion had answered too few of them. The candidate's calibration was fitted on these rows. So each day is
    corrected by the other days, as in the gate. `ratio_lower` is the gate's lower bound of the candidate's error over
    the champion's.
    """

    requests: int
    latency_p95_ms: float
    labelled_rows: int
    candidate_error: float | None
    champion_error: float | None
    ratio_lower: float | None = None


def rehearse(settings: Settings, spec: ModelSpec, candidate: Candidate, version: int) -> Rehearsal:
    """Send the newest `release.rehearsal_requests` logged rows to the candidate, one row a request.

    The requests are marked, so that none of them is logged.
    Errors: `RehearsalError` when an answer is not valid, the 95th percentile of the latency is above
    `rehearsal_latency_ms`, a prediction differs from the registered model's, or the error is shown to be above the
    champion's by more than the gate allows.
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
    cloud = CloudRun(settings)
    token = cloud.read_variable(spec.service_name, candidate.revision, REHEARSAL_TOKEN_VARIABLE)
    headers = {REHEARSAL_HEADER: token, **build_caller_headers(cloud, spec.service_name)}
    answers, latencies = _play(candidate, rows, headers)
    calibration = read_calibration(store, spec.name, candidate.revision)
    trained = fetch_version(settings, spec, version)
    check_skew(spec, rows, answers, predict_offline(trained, rows, calibration))
    unseen = answer_unseen(settings, trained, read_now(store, settings, spec.name), is_raw=calibration is None)
    trained_until = trained.trained_until
    if champion is not None:
        trained_until = max(trained_until, fetch_version(settings, spec, champion.version).trained_until)
    rehearsal = summarize(rows, [unseen.get(row["id"]) for row in rows], latencies, trained_until)
    check_limits(spec, rehearsal)
    return rehearsal


def _play(
    candidate: Candidate, rows: Sequence[Row], headers: Mapping[str, str]
) -> tuple[list[Prediction], list[float]]:
    import requests

    answers, latencies = [], []
    with requests.Session() as session:
        session.headers.update(headers)
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


def predict_offline(
    trained: TrainedVersion, rows: Sequence[Row], calibration: Calibration | None = None
) -> list[Prediction]:
    """What the registered model predicts here for the logged rows, corrected, in the form of a service's answer."""
    inputs = inputs_from_rows(trained.spec, [row["input"] for row in rows])
    raw = predict(trained.spec, trained.estimator, inputs)
    return _list_answers(trained.spec, calibration.apply(raw) if calibration else raw)


def answer_unseen(settings: Settings, trained: TrainedVersion, now: datetime, *, is_raw: bool) -> dict[str, Prediction]:
    """The answers of a version for rows that it was not trained on and whose labels are due, by the rows' ids.

    Each of the newest `memory_days` is corrected by the others of them. With `is_raw` all rows are answered raw.
    """
    known, _ = read_untrained(settings, trained, now)
    if known.frame.empty:
        return {}
    rows = build_labelled_days(trained.spec, trained.estimator, known.frame)
    if not is_raw:
        end = int(rows.day[-1]) + 1
        rows = rows.between(end - trained.spec.recalibrate.memory_days, end)
    answers = rows.prediction if is_raw else answer_other_days(trained.spec, rows)
    return dict(zip(known.frame["id"].iloc[-len(rows) :], _list_answers(trained.spec, answers), strict=True))


def _list_answers(spec: ModelSpec, predictions: "Array") -> list[Prediction]:
    """Predictions in the form of a service's answer."""
    if spec.task == "multiclass":
        names = [str(value) for value in spec.label.values or ()]
        return [dict(zip(names, values, strict=True)) for values in predictions.tolist()]
    return [float(value) for value in predictions.tolist()]


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


def summarize(
    rows: Sequence[Row], answers: Sequence[Prediction | None], latencies: Sequence[float], trained_until: datetime
) -> Rehearsal:
    """The measurements of a rehearsal. Latencies are in milliseconds, in any order.

    Both errors are over the labelled rows that the champion had answered and that were created after `trained_until`.
    A row counts only with an answer, see `answer_unseen`.
    """
    pairs = [
        (
            count_days(row["created_at"]),
            compute_error(row["label"], row["champion_prediction"]),
            compute_error(row["label"], answer),
        )
        for row, answer in zip(rows, answers, strict=True)
        if answer is not None
        and row["label"] is not None
        and row["champion_prediction"] is not None
        and row["created_at"] > trained_until
    ]
    found = _compare(pairs)
    return Rehearsal(
        requests=len(rows),
        latency_p95_ms=sorted(latencies)[math.ceil(0.95 * len(latencies)) - 1],
        labelled_rows=len(pairs),
        candidate_error=found.challenger_error if found else None,
        champion_error=found.champion_error if found else None,
        ratio_lower=found.lower if found else None,
    )


def _compare(pairs: Sequence[tuple[int, float, float]]) -> ErrorRatio | None:
    """The ratio of errors with the gate's bounds, from (day, champion's error, candidate's error) of each row.

    Rows of a day resemble each other, so the spread is that between days. With too few days there is none.
    """
    import numpy as np

    if len(pairs) < MINIMUM_SLICE_ROWS or len({day for day, _, _ in pairs}) < MINIMUM_SLICE_DAYS:
        return None
    days, champion, candidate = (np.array(values) for values in zip(*pairs, strict=True))
    return compare_days(days, champion, candidate, CONFIDENCE)


def check_limits(spec: ModelSpec, rehearsal: Rehearsal) -> None:
    """Hold a rehearsal to its limits. Errors: `RehearsalError` when it is too slow, or worse than the gate allows."""
    limit = spec.release.rehearsal_latency_ms
    if rehearsal.latency_p95_ms > limit:
        raise RehearsalError(
            f"{spec.name}: of {rehearsal.requests} rehearsed requests 95 % took up to"
            f" {format_number(rehearsal.latency_p95_ms)} ms. release.rehearsal_latency_ms in model.yaml allows"
            f" {limit:g}. Raise it, or build a faster estimator in pipeline.py"
        )
    allowed = 1 + spec.retrain.gate_margin
    if rehearsal.ratio_lower is not None and rehearsal.ratio_lower > allowed:
        assert rehearsal.candidate_error is not None, "a ratio has both errors"
        assert rehearsal.champion_error is not None, "a ratio has both errors"
        raise RehearsalError(
            f"{spec.name}: the candidate's error {format_number(rehearsal.candidate_error)} on"
            f" {rehearsal.labelled_rows} logged rows is shown to be more than {format_number(allowed)} × the champion's"
            f" {format_number(rehearsal.champion_error)}: at least {format_number(rehearsal.ratio_lower)} ×."
            f" retrain.gate_margin allows {spec.retrain.gate_margin:g} of it more. The champion goes on to serve"
        )
