"""The base image: service code, locked dependencies and Python, without a model. Retraining never builds it.

`python -m training.images.base` builds and pushes the one of this source, unless it is there; `--context DIR` only
writes down what an engine elsewhere builds it from.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cyclone.errors import ConfigurationError, CycloneError, ReleaseError
from cyclone.image_contract import (
    PIPELINE_FILE,
    RELEASE_FILE,
    SERVICE_TARGET,
    SPEC_FILE,
    SPECS_FOLDER,
)
from cyclone.places import REPOSITORY, is_checkout
from cyclone.settings import Settings, read_settings
from training.images.bento import SHOWN_CHARACTERS, compile_code, find_bento
from training.images.bundle import clear_folder, compute_digest, open_to_readers, stage_code

if TYPE_CHECKING:
    from training.images.repository import ImageRepository

RECIPE = Path(__file__).with_name("base_recipe.py")
NAME = "base"
PLACEHOLDER = "placeholder"
COMMAND = "python -m training.images.base"


def name_base(settings: Settings) -> str:
    """What the base of this source is called: sixteen digits over code, requirements, Python and foundation."""
    with TemporaryDirectory() as folder:
        stage_code(Path(folder))  # what is digested is what an image gets, from a checkout and from a wheel alike
        code = compute_digest(Path(folder))
    parts = [code, RECIPE.read_text(), settings.image_foundation, str(sys.version_info[:2])]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def find_base(settings: Settings) -> tuple["ImageRepository", dict[str, Any]]:
    """Where the base of this source is, and its manifest. Errors: `ReleaseError` when nobody has pushed it."""
    repository, version = open_repository(settings), name_base(settings)
    found = repository.read_manifest(version)
    if found is None:
        raise ReleaseError(
            f"the base image {repository.name}:{version} is not there; code, requirements or Python have changed: "
            f"push it with `{COMMAND}`"
        )
    return repository, found[0]


def open_repository(settings: Settings) -> "ImageRepository":
    """The repository of the bases. Errors: `ConfigurationError` when no repository is configured."""
    from training.images.repository import ImageRepository

    if not settings.image_repository:
        raise ConfigurationError(
            "CYCLONE_IMAGE_REPOSITORY is empty; it names where images go, as localhost:5000/cyclone"
        )
    return ImageRepository(f"{settings.image_repository}/{NAME}")


def push_base(settings: Settings) -> str:
    """Build the base with the container engine at hand and push it, unless it is there; its reference."""
    repository, version = open_repository(settings), name_base(settings)
    reference = f"{repository.name}:{version}"
    if repository.read_manifest(version) is None:
        bento = _find_or_build(settings, version)
        label = f"label=org.opencontainers.image.revision={_read_revision()}"
        containerize = [sys.executable, "-m", "bentoml", "containerize", str(bento.tag), "--backend", "docker"]
        _run([*containerize, "-t", reference, "--opt", "network=host", "--opt", label])
        _run(["docker", "push", "--quiet", reference])
        if repository.read_manifest(version) is None:
            raise ReleaseError(f"docker pushed {reference}, but the registry does not have it")
    return reference


def write_context(settings: Settings, folder: Path) -> None:
    """Lay out Dockerfile and files in an empty or new folder, for an engine that is elsewhere."""
    import bentoml

    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"--context {folder}: not empty; name a new folder")
    bento = _find_or_build(settings, name_base(settings))
    shutil.copytree(bento.path, folder, dirs_exist_ok=True)
    bentoml.container.get_containerfile(str(bento.tag), output_path=str(folder / "Dockerfile"), enable_buildkit=False)


def _find_or_build(settings: Settings, version: str) -> Any:
    """The base's Bento. It is built around a placeholder, as BentoML wants to import the service, and keeps none."""
    import bentoml

    bento = find_bento(f"{NAME}:{version}")
    if bento is not None:
        return bento
    bundle = clear_folder(settings.work_dir / "bundles" / NAME / version)
    stage_code(bundle)
    _stage_placeholder(bundle)
    recipe = [sys.executable, "-B", "-P", str(RECIPE), NAME, version, settings.image_foundation, SERVICE_TARGET]
    _run(recipe, bundle, {**os.environ, "PYTHONPATH": str(bundle)})
    bento = bentoml.bentos.get(f"{NAME}:{version}")
    source = Path(bento.path) / "src"
    (source / RELEASE_FILE).unlink()
    shutil.rmtree(source / SPECS_FOLDER)
    compile_code(Path(bento.path))
    open_to_readers(Path(bento.path))
    return bento


def _stage_placeholder(bundle: Path) -> None:
    model = bundle / SPECS_FOLDER / PLACEHOLDER
    model.mkdir(parents=True)
    spec = {"name": PLACEHOLDER, "task": "regression", "features": [{"name": "x", "type": "number"}]}
    label = {"name": "y", "type": "number", "expected_delay_hours": 1}
    (model / SPEC_FILE).write_text(json.dumps({**spec, "label": label}))
    (model / PIPELINE_FILE).touch()
    (bundle / RELEASE_FILE).write_text(json.dumps({"model": PLACEHOLDER, "version": 1}))


def _read_revision() -> str:
    """The commit of this source, with `-changed` where files differ from it. A wheel has its version instead.

    It is `unknown` in a checkout without git.
    """
    if not is_checkout():
        return metadata.version("cyclone-mlops")
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--abbrev=40", "--dirty=-changed", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _run(command: Sequence[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ReleaseError(f"{command[0]} cannot be started: {error.strerror}; a container engine is needed") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout)[-SHOWN_CHARACTERS:].strip()
        raise ReleaseError(f"`{' '.join(command[:6])} …` ended with {done.returncode}: {said}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--context", type=Path, help="write Dockerfile and files to this folder, build nothing")
    options, settings = parser.parse_args(arguments), read_settings()
    try:
        if options.context:
            write_context(settings, options.context)
        print(push_base(settings) if not options.context else f"{open_repository(settings).name}:{name_base(settings)}")
    except CycloneError as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
