"""The bundle of a version: a folder with code, SQL, the model's spec, its fitted estimator and release.json."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from cyclone.image_contract import (
    MODEL_PATH,
    PIPELINE_FILE,
    RELEASE_FILE,
    REQUIREMENTS_FILE,
    SPEC_FILE,
    SPECS_FOLDER,
    TREES_KEY,
    TREES_PATH,
)
from cyclone.names import name_tag
from cyclone.places import REPOSITORY, find_shipped
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.fit.model_code import find_pipeline
from training.images.trees import write_trees
from training.tracking.client import connect, fetch_model
from training.tracking.runs import FINGERPRINT_TAG
from training.tracking.versions import fetch_model_yaml, find_training_run

PACKAGES = ("bento_service", "cyclone")
CODE = (*PACKAGES, "sql")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "tests", "data", "shipped")
"""What a bundle leaves out of the packages. A wheel holds the SQL in `shipped`, and a bundle beside the packages."""


@dataclass(frozen=True)
class Origin:
    """Where a version comes from: its MLflow run, and the fingerprint of its dataset.

    `fingerprint` is empty when the run does not have it.
    """

    mlflow_run_id: str
    fingerprint: str


def stage_bundle(settings: Settings, spec: ModelSpec, version: int) -> Path:
    """Write the whole bundle of a version to a new folder, and return the folder."""
    folder = clear_folder(settings.work_dir / "bundles" / spec.name / name_tag(version))
    stage_code(folder)
    stage_model(settings, spec, version, folder)
    return folder


def clear_folder(folder: Path) -> Path:
    """Make an empty folder. What was there is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def stage_code(folder: Path) -> None:
    """Write what all models of this source share to a folder: packages, SQL and the locked requirements."""
    shutil.copy(find_requirements(), folder / REQUIREMENTS_FILE)
    shutil.copytree(find_shipped("sql"), folder / "sql")
    for name in PACKAGES:
        shutil.copytree(REPOSITORY / name, folder / name, ignore=LEFT_OUT)
    open_to_readers(folder)


def open_to_readers(folder: Path) -> None:
    """Let every account read a folder and everything in it, and let its owner remove it.

    A container may run as any account. The checkout's modes and the umask may not allow that account to read.
    """
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))


def find_requirements() -> Path:
    """The path of the file with the locked dependencies of the service."""
    return find_shipped(f"requirements/{REQUIREMENTS_FILE}")


def stage_model(settings: Settings, spec: ModelSpec, version: int, folder: Path) -> None:
    """Write what is the version's own to a folder: pipeline.py, model.yaml, the estimator and release.json.

    The model.yaml is that of the version's training. The estimator's trees come along where they predict the same.
    """
    target = folder / SPECS_FOLDER / spec.name
    target.mkdir(parents=True)
    shutil.copy(find_pipeline(settings, spec), target / PIPELINE_FILE)
    origin = read_origin(settings, spec, version)
    download = folder.with_name(f"{folder.name}.model")
    shutil.copy(fetch_model_yaml(settings, origin.mlflow_run_id, download), target / SPEC_FILE)
    model = fetch_model(settings, spec, f"models:/{spec.name}/{version}", download)
    estimator = folder / MODEL_PATH
    estimator.parent.mkdir()
    shutil.copy(model.path, estimator)
    link = write_trees(spec, model.load(), folder / TREES_PATH)
    release = {
        "model": spec.name,
        "version": version,
        "mlflow_run_id": origin.mlflow_run_id,
        "trusted_types": model.trusted_types,
        "packages": model.find_packages(),
        **({TREES_KEY: link} if link else {}),
    }
    shutil.rmtree(download)
    (folder / RELEASE_FILE).write_text(json.dumps(release, indent=2) + "\n")


def read_packages(folder: Path) -> list[str]:
    """The packages that a version needs beyond those of the base image, from the release.json in its folder."""
    packages: list[str] = json.loads((folder / RELEASE_FILE).read_text()).get("packages", [])
    return packages


def read_origin(settings: Settings, spec: ModelSpec, version: int) -> Origin:
    """The MLflow run of a version, and the fingerprint of the data that it was trained on.

    Errors: `TrackingError` when MLflow does not hold the version, or holds another one under its number.
    """
    run_id = find_training_run(settings, spec.name, version)
    return Origin(run_id, connect(settings).get_run(run_id).data.tags.get(FINGERPRINT_TAG, ""))


def compute_digest(folder: Path) -> str:
    """The sha256 over the sorted paths and contents of a folder, as `sha256:…`.

    Compiled files are left out, because they differ each time.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            content = path.read_bytes()
            digest.update(f"{path.relative_to(folder).as_posix()} {len(content)}\n".encode())
            digest.update(content)
    return f"sha256:{digest.hexdigest()}"
