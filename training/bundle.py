"""The bundle of a version, laid out in a folder: code, SQL, the model's spec, its fitted estimator, release.json."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from cyclone.settings import REPOSITORY, Settings
from cyclone.spec import ModelSpec
from training.mlflow_run import FINGERPRINT_TAG
from training.pipeline import find_pipeline
from training.tracking import MODEL_FILE, connect, fetch_model
from training.trained_version import fetch_model_yaml

REQUIREMENTS = REPOSITORY / "requirements" / "serving.txt"
CODE = ("bento_service", "cyclone", "sql")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "tests", "data")


@dataclass(frozen=True)
class Origin:
    """Where a version comes from; `fingerprint` is that of its training data, empty when nobody noted it."""

    mlflow_run_id: str
    fingerprint: str


def stage_bundle(settings: Settings, spec: ModelSpec, version: int) -> Path:
    """Lay out the whole bundle in a new folder."""
    folder = clear_folder(settings.work_dir / "bundles" / spec.name / f"v{version}")
    stage_code(folder)
    stage_model(settings, spec, version, folder)
    return folder


def clear_folder(folder: Path) -> Path:
    """An empty folder, whatever was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def stage_code(folder: Path) -> None:
    """Lay out what every model of this source shares, with the locked dependencies."""
    shutil.copy(REQUIREMENTS, folder / REQUIREMENTS.name)
    for name in CODE:
        shutil.copytree(REPOSITORY / name, folder / name, ignore=LEFT_OUT)
    open_to_readers(folder)


def open_to_readers(folder: Path) -> None:
    """Let every account read a folder, and its owner remove it, whatever the modes of the checkout and the umask are.

    A container may run as any account.
    """
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))


def stage_model(settings: Settings, spec: ModelSpec, version: int, folder: Path) -> None:
    """Lay out what is the version's own; its model.yaml is that of its training."""
    target = folder / "models" / spec.name
    target.mkdir(parents=True)
    shutil.copy(find_pipeline(settings, spec), target / "pipeline.py")
    origin = read_origin(settings, spec, version)
    download = folder.with_name(f"{folder.name}.model")
    shutil.copy(fetch_model_yaml(settings, origin.mlflow_run_id, download), target / "model.yaml")
    model = fetch_model(settings, f"models:/{spec.name}/{version}", download)
    (folder / "model").mkdir()
    shutil.copy(model.path, folder / "model" / MODEL_FILE)
    shutil.rmtree(download)
    release = {
        "model": spec.name,
        "version": version,
        "mlflow_run_id": origin.mlflow_run_id,
        "trusted_types": model.trusted_types,
    }
    (folder / "release.json").write_text(json.dumps(release, indent=2) + "\n")


def read_origin(settings: Settings, spec: ModelSpec, version: int) -> Origin:
    """The MLflow run of a version, and the data that it was trained on."""
    client = connect(settings)
    run_id = str(client.get_model_version(spec.name, str(version)).run_id)
    return Origin(run_id, client.get_run(run_id).data.tags.get(FINGERPRINT_TAG, ""))


def compute_digest(folder: Path) -> str:
    """sha256 over the sorted paths and contents; compiled files, which are not reproducible, are left out."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            content = path.read_bytes()
            digest.update(f"{path.relative_to(folder).as_posix()} {len(content)}\n".encode())
            digest.update(content)
    return f"sha256:{digest.hexdigest()}"
