"""The bundle of a version, laid out in a folder: code, SQL, the model's spec, its fitted estimator, release.json."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from cyclone.image_contract import MODEL_PATH, PIPELINE_FILE, RELEASE_FILE, REQUIREMENTS_FILE, SPEC_FILE, SPECS_FOLDER
from cyclone.names import name_tag
from cyclone.places import REPOSITORY, find_shipped
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.fit.model_code import find_pipeline
from training.tracking.client import connect, fetch_model
from training.tracking.runs import FINGERPRINT_TAG
from training.tracking.versions import fetch_model_yaml

PACKAGES = ("bento_service", "cyclone")
CODE = (*PACKAGES, "sql")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "tests", "data", "shipped")
"""`shipped` is where a wheel holds the SQL, which a bundle has beside the packages."""


@dataclass(frozen=True)
class Origin:
    """Where a version comes from; `fingerprint` is that of its training data, empty when nobody noted it."""

    mlflow_run_id: str
    fingerprint: str


def stage_bundle(settings: Settings, spec: ModelSpec, version: int) -> Path:
    """Lay out the whole bundle in a new folder."""
    folder = clear_folder(settings.work_dir / "bundles" / spec.name / name_tag(version))
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
    shutil.copy(find_requirements(), folder / REQUIREMENTS_FILE)
    shutil.copytree(find_shipped("sql"), folder / "sql")
    for name in PACKAGES:
        shutil.copytree(REPOSITORY / name, folder / name, ignore=LEFT_OUT)
    open_to_readers(folder)


def open_to_readers(folder: Path) -> None:
    """Let every account read a folder, and its owner remove it, whatever the modes of the checkout and the umask are.

    A container may run as any account.
    """
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))


def find_requirements() -> Path:
    """The locked dependencies of the service."""
    return find_shipped(f"requirements/{REQUIREMENTS_FILE}")


def stage_model(settings: Settings, spec: ModelSpec, version: int, folder: Path) -> None:
    """Lay out what is the version's own; its model.yaml is that of its training."""
    target = folder / SPECS_FOLDER / spec.name
    target.mkdir(parents=True)
    shutil.copy(find_pipeline(settings, spec), target / PIPELINE_FILE)
    origin = read_origin(settings, spec, version)
    download = folder.with_name(f"{folder.name}.model")
    shutil.copy(fetch_model_yaml(settings, origin.mlflow_run_id, download), target / SPEC_FILE)
    model = fetch_model(settings, f"models:/{spec.name}/{version}", download)
    estimator = folder / MODEL_PATH
    estimator.parent.mkdir()
    shutil.copy(model.path, estimator)
    shutil.rmtree(download)
    release = {
        "model": spec.name,
        "version": version,
        "mlflow_run_id": origin.mlflow_run_id,
        "trusted_types": model.trusted_types,
    }
    (folder / RELEASE_FILE).write_text(json.dumps(release, indent=2) + "\n")


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
