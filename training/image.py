"""The image of a version: a Bento of its bundle, or one model layer on the base image of a registry."""

import compileall
import json
import py_compile
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclone.errors import ReleaseError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.bundle import REQUIREMENTS, Origin, clear_folder, compute_digest, read_origin, stage_bundle, stage_model

if TYPE_CHECKING:
    from training.image_repository import ImageRepository

SERVICE = "bento_service.service:PredictionService"
RUN_LABEL = "cyclone.mlflow-run"
SHOWN_CHARACTERS = 2000


@dataclass(frozen=True)
class Image:
    """What a revision is deployed from: its reference, and the digest of what is in it."""

    reference: str
    digest: str


def build_image(settings: Settings, spec: ModelSpec, version: int) -> Image:
    """Build the version's image; one that holds this version's model already is taken as it is.

    With `image_repository` it is a model layer on the base image, pushed there; without, the Bento
    `<model>:v<version>`.
    Errors: `ReleaseError` when the tag is taken by another model, the service cannot be imported, or the
    registry refuses.
    """
    if settings.image_repository:
        return push_image(settings, spec, version)
    reference = f"{spec.name}:v{version}"
    bento = find_bento(reference)
    if bento is None:
        bundle = stage_bundle(settings, spec, version)
        plan = {"service": SERVICE, "name": spec.name, "labels": {"digest": compute_digest(bundle)}}
        bento = _build_bento(bundle, f"v{version}", plan)
    held = json.loads((Path(bento.path) / "src" / "release.json").read_text())["mlflow_run_id"]
    _check_run(f"image {bento.tag}", held, read_origin(settings, spec, version), f"`bentoml delete {bento.tag}`")
    return Image(reference, bento.info.labels["digest"])


def push_image(settings: Settings, spec: ModelSpec, version: int) -> Image:
    """Append the version's model to the base image, over the registry's API alone. The same model, the same digest."""
    from training.image_repository import ImageRepository

    repository = ImageRepository(f"{settings.image_repository}/{spec.name}")
    tag, origin = f"v{version}", read_origin(settings, spec, version)
    stored = repository.read_manifest(tag)
    if stored is not None:
        labels = repository.read_config(stored[0])["config"]["Labels"]
        _check_run(f"image {repository.name}:{tag}", labels.get(RUN_LABEL), origin, "the registry's own means")
        return Image(f"{repository.name}@{stored[1]}", stored[1])
    folder = clear_folder(settings.work_dir / "layers" / spec.name / tag)
    stage_model(settings, spec, version, folder)
    digest = append_layer(settings, repository, tag, folder, _label(spec, version, origin))
    return Image(f"{repository.name}@{digest}", digest)


def append_layer(
    settings: Settings, repository: "ImageRepository", tag: str, folder: Path, labels: dict[str, str]
) -> str:
    """Push the base image with the folder's content laid over the bundle's root; the digest that the tag has now.

    Errors: `ReleaseError` when the base is not there, or the registry refuses; the tag is then as it was.
    """
    from training.base_image import find_base
    from training.layer import CONFIG_TYPE, Blob, extend_config, extend_manifest, write_layer

    base, manifest = find_base(settings)
    for part in manifest["layers"]:
        repository.take_blob(Blob.from_json(part), base)
    path = folder.with_name(f"{folder.name}.tar")
    layer = write_layer(folder, path)
    repository.write_blob(path, layer)
    config = extend_config(base.read_config(manifest), layer, labels, f"cyclone: {repository.name}:{tag}")
    path.write_bytes(config)
    repository.write_blob(path, config_blob := Blob.of(CONFIG_TYPE, config))
    path.unlink()
    return repository.write_manifest(tag, extend_manifest(manifest, layer, config_blob))


def list_images(settings: Settings, spec: ModelSpec) -> dict[int, str]:
    """The references of the images that `build_image` made and that are there, by version; deployed or not."""
    if settings.image_repository:
        from training.image_repository import ImageRepository

        repository = ImageRepository(f"{settings.image_repository}/{spec.name}")
        stored = {tag: repository.read_manifest(tag) for tag in repository.list_tags()}
        references = {tag: f"{repository.name}@{found[1]}" for tag, found in stored.items() if found}
    else:
        references = {bento.tag.version: str(bento.tag) for bento in _list_bentos(spec.name)}
    return {int(tag[1:]): reference for tag, reference in references.items() if re.fullmatch(r"v\d+", tag)}


def remove_image(image: str) -> None:
    """Remove an image by its reference, a Bento or one in a registry; one that is gone is fine.

    What it shares with others stays. A registry that allows no deletion keeps it.
    """
    name, _, digest = image.partition("@")
    if digest:
        from training.image_repository import ImageRepository

        ImageRepository(name).delete_manifest(digest)
    elif "/" not in name and (bento := find_bento(name)) is not None:
        import bentoml

        bentoml.bentos.delete(bento.tag)


def _label(spec: ModelSpec, version: int, origin: Origin) -> dict[str, str]:
    """What the image says of itself; `org.opencontainers.image.revision` is the base's."""
    return {
        "org.opencontainers.image.title": spec.name,
        "org.opencontainers.image.version": f"v{version}",
        "cyclone.model": spec.name,
        "cyclone.version": str(version),
        RUN_LABEL: origin.mlflow_run_id,
        **({"cyclone.data-fingerprint": origin.fingerprint} if origin.fingerprint else {}),
    }


def find_bento(reference: str) -> Any | None:
    """The Bento of the local store; None when there is none."""
    import bentoml
    from bentoml.exceptions import NotFound

    try:
        return bentoml.bentos.get(reference)
    except NotFound:
        return None


def _list_bentos(name: str) -> list[Any]:
    import bentoml
    from bentoml.exceptions import NotFound

    try:
        return list(bentoml.bentos.list(name))
    except NotFound:
        return []


def _check_run(image: str, held: str | None, origin: Origin, means: str) -> None:
    if held != origin.mlflow_run_id:
        raise ReleaseError(
            f"{image} holds the model of MLflow run {held}, the version is of run {origin.mlflow_run_id}; "
            f"delete it with {means} if nothing serves it"
        )


def _build_bento(bundle: Path, version: str, plan: dict[str, Any]) -> Any:
    """Build in a process of its own: a build imports the service, and no process can import two bundles."""
    import yaml

    # BentoML reads no requirements file below a hidden folder, which the state of the local platform is.
    plan = {**plan, "python": {"packages": list_packages(bundle / REQUIREMENTS.name), "lock_packages": False}}
    plan_path = bundle.with_name(f"{version}.bentofile.yaml")
    plan_path.write_text(yaml.safe_dump(plan))
    command = [sys.executable, "-B", "-m", "bentoml", "build", str(bundle), "--bentofile", str(plan_path)]
    built = subprocess.run(
        [*command, "--version", version, "--output", "tag"], cwd=bundle, capture_output=True, text=True, check=False
    )
    reference = f"{plan['name']}:{version}"
    bento = find_bento(reference)
    if built.returncode != 0 or bento is None:
        said = (built.stderr or built.stdout)[-SHOWN_CHARACTERS:].strip()
        raise ReleaseError(f"image {reference} could not be built from {bundle}: {said}")
    compile_code(Path(bento.path))
    return bento


def list_packages(requirements: Path) -> list[str]:
    """The pinned packages of a compiled requirements file, without their hashes."""
    lines = requirements.read_text().splitlines()
    return [line.removesuffix("\\").strip() for line in lines if line[:1].isalnum()]


def compile_code(bento: Path) -> None:
    """Compile the code, as a build leaves compiled files out and a start without them takes seconds longer."""
    compileall.compile_dir(
        str(bento / "src"),
        quiet=1,
        stripdir=str(bento),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
