"""Models of many features and of many categories, from the log through training, roll-ups and checks to the service."""

import json
import random
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, Self

import numpy as np
import psycopg2
import pytest

from bento_service.prediction import build_probe_row
from bento_service.schemas import build_predict_body
from cyclone.checks.evaluation import evaluate_checks
from cyclone.checks.rollups import rebuild, roll_up
from cyclone.checks.verdicts import CheckResult
from cyclone.lineage.explain import explain
from cyclone.lineage.report import format_lineage
from cyclone.page.incident import show_incident
from cyclone.page.log import show_log
from cyclone.page.model import Visit, show_model
from cyclone.page.verdicts import show_verdicts
from cyclone.policy.evidence import collect_evidence
from cyclone.policy.incidents import join_incident
from cyclone.rows.validation import validate_rows
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from grafana.trial.asking import ask, last, read_choices
from grafana.trial.expansion import Variable
from grafana.trial.questions import list_questions
from local_platform.status.model import read_model_status
from tests.support.statements import execute
from training.data.dataset import build_dataset, read_dataset
from training.fit.null_distributions import flatten_null
from training.fit.train import fit_challenger

START = datetime(2011, 2, 1, tzinfo=UTC)
DAYS, ROWS = 30, 360
NOW = START + timedelta(days=DAYS)
LOG = "COPY prediction_log (model, id, version, revision, input, prediction, created_at) FROM STDIN"


class Rising:
    """An estimator that learns nothing, so that only the features' number takes time. Predictions differ by row."""

    def fit(self, rows: Any, labels: Any) -> Self:
        return self

    def predict(self, rows: Any) -> Any:
        return np.arange(len(rows)) % 20 + 0.5


def build_spec(kind: str, count: int, values: int) -> ModelSpec:
    named = {"values": [f"value {number}" for number in range(values)]} if kind == "category" else {}
    return ModelSpec.model_validate(
        {
            "name": "wide",
            "task": "regression",
            "features": [{"name": f"f{number}", "type": kind, **named} for number in range(count)],
            "label": {"name": "y", "type": "number", "expected_delay_hours": 0},
            "monitor": {"drift": {"population_stability": {"minimum_samples": 20}}},
        }
    )


def fill(store: Store, spec: ModelSpec) -> None:
    """Rows of `DAYS` days with their labels, answered by version 1."""
    rng = random.Random(1)
    make: dict[str, Any] = {
        "number": rng.random,
        "integer": lambda: rng.randrange(1000),
        "boolean": lambda: rng.random() < 0.5,
        "text": lambda: f"text {rng.random()}",
    }
    log, ids, labels = StringIO(), StringIO(), StringIO()
    for number in range(ROWS):
        at = (START + timedelta(days=DAYS) * number / ROWS).isoformat()
        row = {item.name: rng.choice(item.values) if item.values else make[item.type]() for item in spec.features}
        log.write(f"wide\tp{number}\t1\tr\t{json.dumps(row)}\t{number % 20}\t{at}\n")
        ids.write(f"wide\tp{number}\t{at}\n")
        labels.write(f"wide\tp{number}\t{rng.random()}\t{at}\n")
    for parent in ("prediction_log", "label"):
        for month in (START, NOW):
            execute(store, "SELECT ensure_partition(%(parent)s, %(month)s)", parent=parent, month=month)
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        for text, copy in (
            (ids, "COPY prediction_id (model, id, created_at) FROM STDIN"),
            (log, LOG),
            (labels, "COPY label (model, id, label, observed_at) FROM STDIN"),
        ):
            text.seek(0)
            cursor.copy_expert(copy, text)


def train(store: Store, spec: ModelSpec, folder: Path) -> None:
    """Train on the store's rows, note the reference profile of version 1 and let it serve."""
    settings = Settings().model_copy(
        update={"store_dsn": store.dsn, "training_store_dsn": store.dsn, "work_dir": folder}
    )
    fit = fit_challenger(spec, Rising, read_dataset(spec, build_dataset(settings, spec, "run", NOW)))
    version = {"model": "wide", "version": 1}
    noted = {"mlflow_run_id": "r", "metric": "mean_absolute_error", "accepted_error": 10.0, "sample_size": ROWS}
    store.run("training/profile_insert", **version, **noted, created_at=START)
    store.run("training/profile_bins_insert", **version, bins=json.dumps([asdict(item) for item in fit.profile]))
    store.run("training/profile_nulls_insert", **version, nulls=json.dumps([flatten_null(item) for item in fit.nulls]))
    execute(
        store,
        "INSERT INTO release (model, version, revision, image, image_digest, run_id, state, traffic_percent,"
        " created_at, promoted_at) VALUES ('wide', 1, 'r', 'i', 'd', 'x', 'champion', 100, %(at)s, %(at)s)",
        at=START,
    )


def count_rows(store: Store) -> dict[str, int]:
    """The rows that are counted of each feature."""
    return dict(execute(store, "SELECT feature, sum(count)::integer FROM feature_rollup GROUP BY feature"))


def assert_explained(store: Store, spec: ModelSpec, results: list[CheckResult]) -> None:
    """The lineage of a prediction has the row whole, and that of an incident has the verdicts on all features."""
    prediction = explain(store, ["wide"], "p0")
    assert prediction.prediction is not None
    assert set(prediction.prediction["input"]) == set(spec.feature_names)
    assert f"{spec.feature_names[-1]}" in format_lineage(prediction)
    assert explain(store, ["wide"], "wide:v1").version is not None
    incident = join_incident(store, "wide", "run", NOW, "asked for by a test", {"subject": "prediction"})
    raised = explain(store, ["wide"], f"incident {incident.incident_id}")
    assert len(raised.checks) == len(results)
    assert raised.to_json()["incident"]["reason"] == "asked for by a test"
    assert format_lineage(raised)


def assert_shown(store: Store, spec: ModelSpec) -> None:
    """The pages, the status and every question of Grafana's boards are answered, with all features chosen."""
    visit = Visit(root="", query={"days": "365", "number": "1"}, may_act=True, message=None, is_replay=True)
    for show in (show_model, show_verdicts, show_log, show_incident):
        assert "<html" in show(store, "wide", visit), show.__name__
    assert read_model_status(Settings(store_dsn=store.dsn), spec)["model"] == "wide"
    span, questions = last(DAYS, NOW), list_questions()
    with closing(psycopg2.connect(store.dsn)) as raw:
        for question in questions:
            of_board = [item for item in questions if item.board == question.board]
            chosen = read_choices(raw, of_board, span, {"model": Variable(["wide"])})
            ask(raw, question, chosen, span)


TYPES = ("number", "integer", "category", "boolean", "text")
WIDE = [*((kind, count, 5) for kind in TYPES for count in (1, 31)), ("number", 100, 0), ("category", 1, 5000)]
"""What a minute allows. The rest goes the same ways, and the wider a model, the slower its loop over features."""
WIDER = [(kind, count, 5) for kind in TYPES for count in (100, 500, 2000) if (kind, count) != ("number", 100)]


@pytest.mark.parametrize(
    ("kind", "count", "values"), [*WIDE, *(pytest.param(*item, marks=pytest.mark.slow) for item in WIDER)]
)
def test_a_model_of_many_features_is_trained_counted_and_judged(
    store: Store, tmp_path: Path, kind: str, count: int, values: int
) -> None:
    spec = build_spec(kind, count, values)
    fill(store, spec)
    train(store, spec, tmp_path)
    expected = dict.fromkeys(["prediction", *(spec.feature_names if kind != "text" else ())], ROWS)
    assert roll_up(store, spec).feature_hours == ROWS
    assert count_rows(store) == expected
    assert rebuild(store, spec).feature_hours == ROWS
    assert count_rows(store) == expected
    results = evaluate_checks(store, spec, "drift", NOW, "run")
    assert {result.subject for result in results} == set(expected)
    assert {result.verdict for result in results} <= {"passed", "failed"}
    assert {item.feature for item in collect_evidence(store, spec, [], NOW).upstream.features} == set(
        spec.feature_names
    )
    assert_explained(store, spec, results)
    assert_shown(store, spec)
    described = build_predict_body(spec).model_json_schema()["$defs"]["Row"]["properties"]
    assert list(described) == spec.feature_names
    assert validate_rows(spec, [build_probe_row(spec)]) == []
