"""The base image: service code, locked dependencies and Python, without a model. Retraining never builds it.

`python -m training.images.base` builds the base image of this source and pushes it, unless the registry has it.
With `--context DIR` it builds nothing. It writes the Dockerfile and files from which an engine elsewhere can build.
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


def name_base(settings: Settings, packages: Sequence[str] = ()) -> str:
    """The tag of this source's base image: sixteen digits of a hash over code, requirements, Python and foundation.

    `packages` are installed beside the requirements, as `xgboost-cpu==3.2.0`. They give a base image of their own.
    """
    with TemporaryDirectory() as folder:
        stage_code(Path(folder))  # the files as an image gets them, so a checkout and a wheel give the same name
        code = compute_digest(Path(folder))
    parts = [code, RECIPE.read_text(), settings.image_foundation, str(sys.version_info[:2]), *packages]
    # Sixteen digits never meet by chance, and a person can still read the tag.
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def find_base(settings: Settings, packages: Sequence[str] = ()) -> tuple["ImageRepository", dict[str, Any]]:
    """The repository of the base images, and the manifest of this source's base image.

    Errors: `ReleaseError` when nobody has pushed it.
    """
    repository, version = open_repository(settings), name_base(settings, packages)
    found = repository.read_manifest(version)
    if found is None:
        raise ReleaseError(
            f"the base image {repository.name}:{version} is not in the registry, because code, requirements or Python"
            f" have changed since the last was pushed. Build and push it with `{_word(packages)}`"
        )
    return repository, found[0]


def _word(packages: Sequence[str]) -> str:
    return " ".join([COMMAND, *(f"--package {package}" for package in packages)])


def open_repository(settings: Settings) -> "ImageRepository":
    """The repository of the base images. Errors: `ConfigurationError` when no repository is configured."""
    from training.images.repository import ImageRepository

    if not settings.image_repository:
        raise ConfigurationError(
            "CYCLONE_IMAGE_REPOSITORY is empty. Set it to where images go, as localhost:5000/cyclone"
        )
    return ImageRepository(f"{settings.image_repository}/{NAME}")


def push_base(settings: Settings, packages: Sequence[str] = ()) -> str:
    """Build the base image with the local container engine and push it, unless the registry has it. Its reference.

    Errors: `ReleaseError` when the engine or the registry fails.
    """
    repository, version = open_repository(settings), name_base(settings, packages)
    reference = f"{repository.name}:{version}"
    if repository.read_manifest(version) is None:
        bento = _find_or_build(settings, version, packages)
        label = f"label=org.opencontainers.image.revision={_read_revision()}"
        containerize = [sys.executable, "-m", "bentoml", "containerize", str(bento.tag), "--backend", "docker"]
        _run([*containerize, "-t", reference, "--opt", "network=host", "--opt", label])
        _run(["docker", "push", "--quiet", reference])
        if repository.read_manifest(version) is None:
            raise ReleaseError(
                f"docker pushed {reference}, but the registry does not have it. Look whether CYCLONE_IMAGE_REPOSITORY"
                " names the same registry for docker and for this command"
            )
    return reference


def write_context(settings: Settings, folder: Path, packages: Sequence[str] = ()) -> None:
    """Write the Dockerfile and all files of the base image to an empty or new folder, for an engine elsewhere.

    Errors: `ConfigurationError` when the folder is not empty.
    """
    import bentoml

    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"--context {folder}: the folder is not empty. Name a new one")
    bento = _find_or_build(settings, name_base(settings, packages), packages)
    shutil.copytree(bento.path, folder, dirs_exist_ok=True)
    bentoml.container.get_containerfile(str(bento.tag), output_path=str(folder / "Dockerfile"), enable_buildkit=False)


def _find_or_build(settings: Settings, version: str, packages: Sequence[str]) -> Any:
    """The Bento of the base image. It is built if the local store has none.

    BentoML imports the service to build it, and the service needs a model. So a placeholder is there for the build, and
    removed afterwards.
    """
    import bentoml

    bento = find_bento(f"{NAME}:{version}")
    if bento is not None:
        return bento
    bundle = clear_folder(settings.work_dir / "bundles" / NAME / version)
    stage_code(bundle)
    _stage_placeholder(bundle)
    recipe = [sys.executable, "-B", "-P", str(RECIPE), NAME, version, settings.image_foundation, SERVICE_TARGET]
    _run([*recipe, *packages], bundle, {**os.environ, "PYTHONPATH": str(bundle)})
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
    """The commit of this source, with `-changed` at its end if files differ from the commit.

    A wheel has its version instead. A checkout without git is `unknown`.
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
        raise ReleaseError(
            f"{command[0]} cannot be started: {error.strerror}. Install it, or write the files for another engine with"
            f" `{COMMAND} --context DIR`"
        ) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout)[-SHOWN_CHARACTERS:].strip()
        raise ReleaseError(f"`{' '.join(command[:6])} …` ended with {done.returncode}: {said}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--context", type=Path, help="write Dockerfile and files to this folder, build nothing")
    parser.add_argument("--package", action="append", default=[], help="install this too, as xgboost-cpu==3.2.0")
    options, settings = parser.parse_args(arguments), read_settings()
    packages = sorted(options.package)
    try:
        if options.context:
            write_context(settings, options.context, packages)
            print(f"{open_repository(settings).name}:{name_base(settings, packages)}")
        else:
            print(push_base(settings, packages))
    except CycloneError as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
