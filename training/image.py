"""The image of a version: the bundle of code, spec and fitted model, built into a Bento."""

import compileall
import hashlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclone.errors import ReleaseError
from cyclone.settings import REPOSITORY, Settings
from cyclone.spec import ModelSpec
from training.tracking import MODEL_FILE, connect, fetch_model

CODE = ("bento_service", "cyclone", "sql")
MODEL_FILES = ("model.yaml", "pipeline.py")
SERVICE = "bento_service.service:PredictionService"
REQUIREMENTS = ["bentoml", "psycopg2-binary", "pydantic-settings", "pyyaml", "pandas", "scikit-learn", "skops"]
SHOWN_CHARACTERS = 2000
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "tests", "data")


@dataclass(frozen=True)
class Image:
    """What a revision is deployed from: its reference, and the digest of the bundle in it."""

    reference: str
    digest: str


def build_image(settings: Settings, spec: ModelSpec, version: int) -> Image:
    """Build the Bento `<model>:v<version>`; one that holds this version's model already is taken as it is.

    Errors: `ReleaseError` when the tag is taken by another model, or the service cannot be imported.
    """
    reference = f"{spec.name}:v{version}"
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    bento = _find_bento(reference)
    if bento is None:
        bundle = stage_bundle(settings, spec, version)
        bento = _build_bento(bundle, spec.name, f"v{version}", compute_digest(bundle))
    _check_model(settings, spec, version, bento)
    return Image(reference, bento.info.labels["digest"])


def stage_bundle(settings: Settings, spec: ModelSpec, version: int) -> Path:
    """Lay out the bundle in a new folder: code, SQL, the model's spec, its fitted estimator, release.json."""
    client = connect(settings)
    registered = client.get_model_version(spec.name, str(version))
    folder = settings.work_dir / "bundles" / spec.name / f"v{version}"
    shutil.rmtree(folder, ignore_errors=True)
    for name in CODE:
        shutil.copytree(REPOSITORY / name, folder / name, ignore=LEFT_OUT)
    target = folder / "models" / spec.name
    target.mkdir(parents=True)
    for name in MODEL_FILES:
        shutil.copy(settings.models_dir / spec.name / name, target / name)
    download = folder.with_name(f"v{version}.model")
    model = fetch_model(f"models:/{spec.name}/{version}", download)
    (folder / "model").mkdir()
    shutil.copy(model.path, folder / "model" / MODEL_FILE)
    shutil.rmtree(download)
    release = {
        "model": spec.name,
        "version": version,
        "mlflow_run_id": registered.run_id,
        "trusted_types": model.trusted_types,
    }
    (folder / "release.json").write_text(json.dumps(release, indent=2) + "\n")
    return folder


def compute_digest(folder: Path) -> str:
    """sha256 over the sorted paths and contents; compiled files, which are not reproducible, are left out."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            content = path.read_bytes()
            digest.update(f"{path.relative_to(folder).as_posix()} {len(content)}\n".encode())
            digest.update(content)
    return f"sha256:{digest.hexdigest()}"


def _find_bento(reference: str) -> Any | None:
    import bentoml
    from bentoml.exceptions import NotFound

    try:
        return bentoml.bentos.get(reference)
    except NotFound:
        return None


def _check_model(settings: Settings, spec: ModelSpec, version: int, bento: Any) -> None:
    wanted = connect(settings).get_model_version(spec.name, str(version)).run_id
    held = json.loads((Path(bento.path) / "src" / "release.json").read_text())["mlflow_run_id"]
    if held != wanted:
        raise ReleaseError(
            f"image {bento.tag} holds the model of MLflow run {held}, version {version} is of run {wanted}; "
            f"delete it with `bentoml delete {bento.tag}` if nothing serves it"
        )


def _build_bento(bundle: Path, name: str, version: str, digest: str) -> Any:
    """Build in a process of its own: a build imports the service, and no process can import two bundles."""
    import yaml

    plan = {
        "service": SERVICE,
        "name": name,
        "labels": {"digest": digest},
        "python": {"packages": REQUIREMENTS, "lock_packages": False},
    }
    plan_path = bundle.with_name(f"{version}.bentofile.yaml")
    plan_path.write_text(yaml.safe_dump(plan))
    command = [sys.executable, "-B", "-m", "bentoml", "build", str(bundle), "--bentofile", str(plan_path)]
    built = subprocess.run(
        [*command, "--version", version, "--output", "tag"], cwd=bundle, capture_output=True, text=True, check=False
    )
    bento = _find_bento(f"{name}:{version}")
    if built.returncode != 0 or bento is None:
        said = (built.stderr or built.stdout)[-SHOWN_CHARACTERS:].strip()
        raise ReleaseError(f"image {name}:{version} could not be built from {bundle}: {said}")
    _compile(Path(bento.path))
    return bento


def _compile(bento: Path) -> None:
    """Compile the code, as a build leaves compiled files out and a start without them takes seconds longer."""
    compileall.compile_dir(
        str(bento / "src"),
        quiet=1,
        stripdir=str(bento),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
