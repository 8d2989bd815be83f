"""A binary and a multiclass model from their folders to the check of their error, served side by side.

Real data that scikit-learn ships: breast cancer (Wolberg et al. 1995) and irises (Fisher 1936).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from cyclone.checks.evaluation import evaluate_checks
from cyclone.checks.rollups import roll_up
from cyclone.checks.verdicts import CheckResult
from cyclone.releases import create_candidate, promote_release
from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec, find_model
from cyclone.store import Store
from tests.support.serving import Service, run_service, wait_until
from training.data.dataset import build_dataset
from training.data.history import load_history, read_history
from training.fit.train import train_challenger
from training.gate.comparison import compare_with_champion
from training.images.image import build_image
from training.registry import register_challenger
from training.validation import validate_dataset

START = datetime(2011, 1, 1, tzinfo=UTC)
PIPELINE = """
def build_estimator():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression())
"""


@dataclass(frozen=True)
class Prepared:
    """A version that is the champion, and the rows that its service has not seen."""

    spec: ModelSpec
    image: str
    accepted_error: float
    until: datetime
    rows: list[dict[str, Any]]


def write_model(models_dir: Path, frame: pd.DataFrame, settings: dict[str, Any]) -> None:
    """A model's folder. A row an hour in random order, of which a third is left to be served."""
    folder = models_dir / settings["name"]
    folder.mkdir(parents=True)
    shuffled = frame.sample(frac=1, random_state=0)
    shuffled.insert(0, "created_at", [f"{START + timedelta(hours=hour):%Y-%m-%dT%H:%MZ}" for hour in range(len(frame))])
    shuffled.to_csv(folder / "rows.csv", index=False)
    until = shuffled["created_at"].iloc[len(frame) * 2 // 3]
    check = {"limit": 3.0, "window_days": 90, "minimum_samples": 40}
    more = {
        "history": "rows.csv",
        "history_until": until,
        "monitor": {"error": {"log_loss": check}},
        "retrain": {"minimum_rows": 80, "holdout_days": 1, "folds": 4},
        "serving": {"accept_created_at": True},
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(settings | more))
    (folder / "pipeline.py").write_text(PIPELINE)


def write_tumour(models_dir: Path) -> None:
    from sklearn.datasets import load_breast_cancer

    frame = load_breast_cancer(as_frame=True).frame
    columns = ["mean radius", "mean texture", "mean concavity"]
    features = [{"name": name, "type": "number", "range": [0, 100]} for name in columns]
    label = {"name": "is_malignant", "type": "boolean", "expected_delay_hours": 1}
    frame = frame[columns].assign(is_malignant=(frame["target"] == 0).map({True: "true", False: "false"}))
    write_model(models_dir, frame, {"name": "tumour", "task": "binary", "features": features, "label": label})


def write_iris(models_dir: Path) -> None:
    from sklearn.datasets import load_iris

    data = load_iris(as_frame=True)
    columns = [name.removesuffix(" (cm)") for name in data.feature_names]
    features = [{"name": name, "type": "number", "range": [0, 10]} for name in columns]
    species = [str(name) for name in data.target_names]
    label = {"name": "species", "type": "category", "values": species, "expected_delay_hours": 1}
    frame = data.data.set_axis(columns, axis=1).assign(species=np.array(species)[data.target])
    settings = {"name": "iris", "task": "multiclass", "inputs": "matrix", "features": features, "label": label}
    write_model(models_dir, frame, settings)


def prepare(settings: Settings, store: Store, name: str) -> Prepared:
    """Do everything that the retrain DAG does, up to the promotion. No traffic is to move here."""
    spec = find_model(settings.models_dir, name)
    folder = settings.models_dir / name
    load_history(store, spec, folder)
    until = datetime.fromisoformat(spec.history_until or "")
    now, run_id = until + timedelta(hours=2), f"run_{name}"
    dataset = build_dataset(settings, spec, run_id, now)
    assert validate_dataset(settings, spec, dataset, run_id).success
    challenger = train_challenger(settings, spec, dataset, run_id)
    gate = compare_with_champion(settings, spec, dataset, challenger)
    version = register_challenger(settings, spec, challenger, gate).version
    image = build_image(settings, spec, version)
    release = create_candidate(store, name, version, f"{name}-v1", image.reference, image.digest, run_id, until)
    promote_release(store, release, until)
    rows = [row for row in read_history(spec, folder) if row["created_at"] >= until]
    return Prepared(spec, image.reference, challenger.accepted_error, until, rows)


def ask(service: Service, prepared: Prepared) -> list[Any]:
    """Have all rows predicted at their times. Return the predictions in the rows' order."""
    ids = [f"{prepared.spec.name} {place}" for place in range(len(prepared.rows))]
    times = [row["created_at"].isoformat() for row in prepared.rows]
    status, answer = service.predict(*[row["features"] for row in prepared.rows], ids=ids, created_at=times)
    assert (status, answer["model"], answer["version"]) == (200, prepared.spec.name, 1), answer
    return [item["prediction"] for item in answer["predictions"]]


def tell_labels(service: Service, prepared: Prepared, labels: list[Any], delay_hours: int) -> None:
    """Send each row's label, observed so many hours after the row."""
    sent = [
        {
            "id": f"{prepared.spec.name} {place}",
            "label": label,
            "observed_at": (row["created_at"] + timedelta(hours=delay_hours)).isoformat(),
        }
        for place, (row, label) in enumerate(zip(prepared.rows, labels, strict=True))
    ]
    assert service.label(*sent) == (200, {"accepted": len(sent), "unknown_so_far": 0})


def check_error(store: Store, prepared: Prepared, run_id: str) -> CheckResult:
    window_end = prepared.rows[-1]["created_at"] + timedelta(days=1)
    roll_up(store, prepared.spec)
    (result,) = evaluate_checks(store, prepared.spec, "error", window_end, run_id)
    return result


def assert_the_error_check_sees_it(
    service: Service, prepared: Prepared, predictions: list[Any], shuffled: list[Any], expected: float
) -> None:
    """The log-loss of what was served is that of scikit-learn. With labels that contradict it, the check fails."""
    truths = [row["label"] for row in prepared.rows]
    count = "SELECT count(*)::int FROM prediction_log WHERE model = %s AND version = 1"
    wait_until(lambda: service.query(count, prepared.spec.name) == [(len(truths),)], "all rows are stored")
    tell_labels(service, prepared, truths, delay_hours=1)
    result = check_error(service.store, prepared, "first")
    assert (result.check_name, result.sample_size, result.verdict) == ("log_loss", len(truths), "passed")
    assert result.value == pytest.approx(expected)
    assert result.limit == pytest.approx(3 * prepared.accepted_error)
    tell_labels(service, prepared, shuffled, delay_hours=2)
    again = check_error(service.store, prepared, "second")
    assert (again.sample_size, again.verdict) == (len(truths), "failed")


def test_a_binary_and_a_multiclass_model_are_trained_served_side_by_side_and_judged(
    settings: Settings, store: Store, bento_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.metrics import log_loss

    monkeypatch.setenv("CYCLONE_MODELS_DIR", str(tmp_path / "models"))
    settings = read_settings()
    write_tumour(settings.models_dir)
    write_iris(settings.models_dir)
    tumour, iris = prepare(settings, store, "tumour"), prepare(settings, store, "iris")
    folders = [make_home(tmp_path / name, bento_home) for name in ("tumour", "iris")]
    with (
        run_service(tmp_path, store, folders[0], tumour.image, folders[0], {"K_REVISION": "tumour-v1"}) as one,
        run_service(tmp_path, store, folders[1], iris.image, folders[1], {"K_REVISION": "iris-v1"}) as other,
    ):
        assert_page_is_the_models_own(one, tumour.spec, {"type": "number", "minimum": 0.0, "maximum": 1.0})
        assert_page_is_the_models_own(other, iris.spec, {"type": "object", "additionalProperties": {"type": "number"}})
        chances, truths = ask(one, tumour), [row["label"] for row in tumour.rows]
        wrong = [not truth for truth in truths]
        assert_the_error_check_sees_it(one, tumour, chances, wrong, log_loss(truths, chances, labels=[False, True]))

        scores, kinds = ask(other, iris), [row["label"] for row in iris.rows]
        names = list(iris.spec.label.values or ())
        assert all(list(score) == names and sum(score.values()) == pytest.approx(1) for score in scores)
        table = [[score[name] for name in names] for score in scores]
        turned = [names[(names.index(kind) + 1) % 3] for kind in kinds]
        assert_the_error_check_sees_it(other, iris, scores, turned, log_loss(kinds, table, labels=names))

        status, answer = other.predict(tumour.rows[0]["features"])
        assert (status, answer["details"][0]["feature"]) == (400, iris.spec.features[0].name)
        for service, rows in ((one, tumour.rows), (other, iris.rows)):
            wait_until(lambda: service.read_metric('cyclone_log_rows_total{outcome="stored"}') == len(rows), "counted")  # noqa: B023
    assert one.query("SELECT model, sum(unaccounted)::int FROM log_completeness GROUP BY 1 ORDER BY 1") == [
        ("iris", 0),
        ("tumour", 0),
    ]


def make_home(folder: Path, bento_home: Path) -> Path:
    """A BentoML home with the images of the session: services that share a home wipe each other's metrics."""
    folder.mkdir()
    (folder / "bentos").symlink_to(bento_home / "bentos")
    return folder


def assert_page_is_the_models_own(service: Service, spec: ModelSpec, prediction: dict[str, Any]) -> None:
    schemas = service.call("GET", "/docs.json")[1]["components"]["schemas"]
    assert list(schemas["Row"]["properties"]) == spec.feature_names
    assert prediction.items() <= schemas["Prediction"]["properties"]["prediction"].items()
    label = schemas["LabelEntry"]["properties"]["label"]
    assert label.get("enum") == (list(spec.label.values) if spec.label.values else None)
