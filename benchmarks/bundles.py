"""One fitted model in the forms that the candidates serve."""

import json
import shutil
from pathlib import Path
from typing import Any

from cyclone.image_contract import (
    MODEL_PATH,
    PIPELINE_FILE,
    RELEASE_FILE,
    SPEC_FILE,
    SPECS_FOLDER,
    TREES_KEY,
    TREES_PATH,
)
from cyclone.places import REPOSITORY
from cyclone.rows.frames import inputs_from_rows
from cyclone.settings import Settings
from cyclone.spec import ModelSpec, load_model_spec
from training.data.history import parse_time, read_history
from training.fit.model_code import load_builder
from training.images.trees import write_trees

MODEL = REPOSITORY / "models" / "bike_demand"


def fit_model() -> tuple[ModelSpec, Any, list[dict[str, Any]]]:
    """The model's spec, its estimator fitted on January 2011, and the rows of January.

    January is all that is known before the replay.
    """
    spec = load_model_spec(MODEL)
    until = parse_time(spec.history_until or "2011-02-01")
    history = [row for row in read_history(spec, MODEL) if row["created_at"] < until]
    rows = [row["features"] for row in history]
    build = load_builder(Settings(), spec)
    return spec, build().fit(inputs_from_rows(spec, rows), [row["label"] for row in history]), rows


def pack_bundle(root: Path, estimator: Any, durability: str, *, with_trees: bool = False) -> Path:
    """Make the folder `root` with what an image holds, with this `serving.durability`, and with the peers beside it.

    Without its trees the estimator itself answers, as it does in the peers. So what is compared is the rest.
    """
    import skops.io

    ignored = shutil.ignore_patterns("__pycache__")
    for package in ("bento_service", "cyclone", "sql"):
        shutil.copytree(REPOSITORY / package, root / package, ignore=ignored)
    folder = root / SPECS_FOLDER / MODEL.name
    folder.mkdir(parents=True)
    shutil.copy(MODEL / PIPELINE_FILE, folder)
    settings = (MODEL / SPEC_FILE).read_text()
    (folder / SPEC_FILE).write_text(settings.replace("\nserving:\n", f"\nserving:\n  durability: {durability}\n"))
    (root / MODEL_PATH).parent.mkdir()
    skops.io.dump(estimator, root / MODEL_PATH)
    trusted = skops.io.get_untrusted_types(file=root / MODEL_PATH)
    release = {"model": MODEL.name, "version": 1, "mlflow_run_id": "none", "trusted_types": trusted}
    if with_trees and (link := write_trees(load_model_spec(MODEL), estimator, root / TREES_PATH)):
        release[TREES_KEY] = link
    (root / RELEASE_FILE).write_text(json.dumps(release))
    for path in (REPOSITORY / "benchmarks" / "peers").glob("*.py"):
        shutil.copy(path, root)
    return root


def save_for_mlflow(path: Path, spec: ModelSpec, estimator: Any, rows: list[dict[str, Any]]) -> Path:
    """Save the estimator as MLflow serves it, with its signature."""
    import mlflow.sklearn
    import skops.io
    from mlflow.models import infer_signature

    example = inputs_from_rows(spec, rows[:5])
    mlflow.sklearn.save_model(
        estimator,
        path,
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS,
        skops_trusted_types=skops.io.get_untrusted_types(data=skops.io.dumps(estimator)),
        signature=infer_signature(example, estimator.predict(example)),
        pip_requirements=["scikit-learn", "skops"],
    )
    return path
