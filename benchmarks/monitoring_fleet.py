"""A fleet of models for one Airflow: copies of one model, each with the same real rows under its own name.

The rows are the last two weeks of bike-sharing demand, with predictions, and with labels a day late. A fifth of the
fleet is due each minute, by `monitor.schedule`.
"""

import json
import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclone.places import REPOSITORY
from cyclone.spec import ModelSpec, load_model_spec
from cyclone.store import Store, Transaction

if TYPE_CHECKING:
    import pandas as pd

TEMPLATE = "bike_demand"
DAYS = 14
CADENCE_MINUTES = 5


SEED = """
INSERT INTO release (
    model, version, revision, image, image_digest, run_id, state, traffic_percent, created_at, promoted_at
)
SELECT model, 1, model || '-v1', 'none', 'none', 'seed ' || model, 'champion', 100,
    now() - interval '30 days', now() - interval '30 days'
FROM fleet;
INSERT INTO prediction_id (model, id, created_at)
SELECT model, 'row ' || hours_ago, now() - make_interval(hours => hours_ago) FROM fleet CROSS JOIN seed;
INSERT INTO prediction_log (model, id, version, revision, input, prediction, latency_ms, created_at)
SELECT model, 'row ' || hours_ago, 1, model || '-v1', input, to_jsonb(prediction), 1,
    now() - make_interval(hours => hours_ago)
FROM fleet CROSS JOIN seed;
INSERT INTO label (model, id, label, observed_at)
SELECT model, 'row ' || hours_ago, to_jsonb(label), now() - make_interval(hours => hours_ago - 24)
FROM fleet CROSS JOIN seed WHERE hours_ago > 24
"""

ARRIVAL = """
INSERT INTO prediction_id (model, id, created_at)
SELECT model, 'live ' || now(), now() FROM reference_profile;
INSERT INTO prediction_log (model, id, version, revision, input, prediction, latency_ms, created_at)
SELECT id.model, id.id, 1, 'live', log.input, log.prediction, 1, id.created_at
FROM prediction_id AS id
INNER JOIN prediction_log AS log ON id.model = log.model AND log.id = 'row 24'
WHERE id.id = 'live ' || now()
"""


def name_model(number: int) -> str:
    """The name of one model of the fleet."""
    return f"fleet_{number:04d}"


def make_fleet(models: Path, count: int) -> Path:
    """Make a folder of `count` copies of the template, each with its own name and due in its own minute of five."""
    source = REPOSITORY / "models" / TEMPLATE
    text = (source / "model.yaml").read_text()
    for number in range(count):
        folder = models / name_model(number)
        folder.mkdir(parents=True)
        named = text.replace(f"name: {TEMPLATE}", f"name: {name_model(number)}", 1)
        schedule = f"{number % CADENCE_MINUTES}-59/{CADENCE_MINUTES} * * * *"
        (folder / "model.yaml").write_text(f"{named}monitor: {{schedule: '{schedule}'}}\n")
        shutil.copy(source / "pipeline.py", folder)
    return models


def count_due(count: int, minute: int) -> int:
    """How many of the fleet are due in a minute of the hour."""
    return sum(number % CADENCE_MINUTES == minute % CADENCE_MINUTES for number in range(count))


def fill_store(store: Store, count: int) -> None:
    """Store version 1 of every model with its reference profile, its release, and two weeks of rows and labels."""
    rows, models = read_rows(), [name_model(number) for number in range(count)]
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        for parent in ("prediction_log", "label"):
            for day in range(-DAYS, 2):
                cursor.execute("SELECT ensure_partition(%s, now() + make_interval(days => %s))", (parent, day))
        cursor.execute("CREATE TEMPORARY TABLE fleet AS SELECT unnest(%s) AS model", (models,))
        cursor.execute(
            "CREATE TEMPORARY TABLE seed AS SELECT * FROM jsonb_to_recordset(%s::jsonb)"
            " AS seed (hours_ago integer, input jsonb, prediction double precision, label double precision)",
            (json.dumps(rows),),
        )
        cursor.execute(SEED)
        put_profiles(transaction, models)


def add_arrivals(store: Store) -> None:
    """Log one new row of each model, now."""
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(ARRIVAL)


def read_rows() -> list[dict[str, Any]]:
    """The last two weeks of the history, each row with the hours since then."""
    spec, frame = read_history()
    recent = frame.iloc[-DAYS * 24 :]
    features = json.loads(recent[spec.feature_names].to_json(orient="records"))
    return [
        {"hours_ago": len(recent) - place, "input": row, "prediction": float(prediction), "label": float(label)}
        for place, (row, prediction, label) in enumerate(
            zip(features, recent["prediction"], recent[spec.label.name], strict=True)
        )
    ]


def put_profiles(transaction: Transaction, models: list[str]) -> None:
    """Store the reference profile of the rows before those that are served, as training does."""
    import pandas as pd

    from training.fit.expected_errors import expect_errors
    from training.fit.null_distributions import build_nulls, flatten_null
    from training.fit.profile import build_profile

    spec, frame = read_history()
    reference = frame.iloc[-10 * DAYS * 24 : -DAYS * 24]
    predictions, labels = reference["prediction"].to_numpy(), reference[spec.label.name]
    subjects = build_profile(spec, reference[spec.feature_names], predictions)
    bins = [item for subject in subjects[:-1] for item in subject.bins]
    bins += expect_errors(spec, subjects[-1].bins, predictions, labels)
    nulls = build_nulls(spec, subjects, pd.to_datetime(reference["created_at"]))
    error = float((reference["prediction"] - labels).abs().mean())
    facts = {"metric": spec.error_metric, "accepted_error": error, "sample_size": len(reference)}
    bins_text = json.dumps([asdict(item) for item in bins])
    nulls_text = json.dumps([flatten_null(item) for item in nulls])
    errors_text = json.dumps({spec.error_metric: error})
    for model in models:
        version = {"model": model, "version": 1}
        transaction.run(
            "training/profile_insert", **version, **facts, mlflow_run_id="none", created_at=datetime.now(UTC)
        )
        transaction.run("training/profile_bins_insert", **version, bins=bins_text)
        transaction.run("training/profile_nulls_insert", **version, nulls=nulls_text)
        transaction.run("training/profile_errors_insert", **version, errors=errors_text)


def read_history() -> "tuple[ModelSpec, pd.DataFrame]":
    """The template's spec and real rows. The prediction is the mean demand of the hour of day."""
    import pandas as pd

    spec = load_model_spec(REPOSITORY / "models" / TEMPLATE)
    frame = pd.read_csv(REPOSITORY / "models" / TEMPLATE / str(spec.history))
    return spec, frame.assign(prediction=frame.groupby("hour")[spec.label.name].transform("mean"))
