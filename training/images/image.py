"""The image of a version: a Bento of its bundle, or a model layer on the base image in a registry."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyclone.errors import ConfigurationError, ReleaseError
from cyclone.image_contract import RELEASE_FILE, SERVICE_TARGET
from cyclone.names import name_tag, read_tag
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.images.bento import build_bento, find_bento, list_bentos
from training.images.bundle import (
    Origin,
    clear_folder,
    compute_digest,
    read_origin,
    read_packages,
    stage_bundle,
    stage_model,
)

if TYPE_CHECKING:
    from training.images.repository import ImageRepository

RUN_LABEL = "cyclone.mlflow-run"


@dataclass(frozen=True)
class Image:
    """An image from which a revision is deployed: its reference, and the digest of its content.

    The reference is the tag of a Bento, or `<model>@<digest>` for an image below `image_repository`. Records keep it
    without the registry, whose address may change. `locate_image` tells where the image is now.
    """

    reference: str
    digest: str


def build_image(settings: Settings, spec: ModelSpec, version: int) -> Image:
    """Build the image of a version. An image that holds this version's model already is taken as it is.

    With `image_repository` the image is a model layer on the base image, and is pushed there. Without it the image is
    the Bento `<model>:v<version>`.
    Errors: `ReleaseError` when the tag has the model of another MLflow run, the service cannot be imported, or the
    registry refuses.
    """
    if settings.image_repository:
        return push_image(settings, spec, version)
    reference = f"{spec.name}:{name_tag(version)}"
    bento = find_bento(reference)
    if bento is None:
        bundle = stage_bundle(settings, spec, version)
        plan = {"service": SERVICE_TARGET, "name": spec.name, "labels": {"digest": compute_digest(bundle)}}
        bento = build_bento(bundle, name_tag(version), plan)
    held = json.loads((Path(bento.path) / "src" / RELEASE_FILE).read_text())["mlflow_run_id"]
    _check_run(f"image {bento.tag}", held, read_origin(settings, spec, version), f"`bentoml delete {bento.tag}`")
    return Image(reference, bento.info.labels["digest"])


def push_image(settings: Settings, spec: ModelSpec, version: int) -> Image:
    """Add the version's model to the base image as a layer, over the registry's API. No container engine is needed.

    The same model gives the same digest.
    """
    from training.images.repository import ImageRepository

    repository = ImageRepository(f"{settings.image_repository}/{spec.name}")
    tag, origin = name_tag(version), read_origin(settings, spec, version)
    stored = repository.read_manifest(tag)
    if stored is not None:
        labels = repository.read_config(stored[0])["config"]["Labels"]
        _check_run(f"image {repository.name}:{tag}", labels.get(RUN_LABEL), origin, "the registry's own means")
        return Image(f"{spec.name}@{stored[1]}", stored[1])
    folder = clear_folder(settings.work_dir / "layers" / spec.name / tag)
    stage_model(settings, spec, version, folder)
    digest = append_layer(settings, repository, tag, folder, _label(spec, version, origin))
    return Image(f"{spec.name}@{digest}", digest)


def locate_image(settings: Settings, reference: str) -> str:
    """The address of an image now. A Bento, and an image that is named with its registry, keep their reference.

    Errors: `ConfigurationError` when the image is in a registry and none is configured.
    """
    name, is_stored, _ = reference.partition("@")
    if not is_stored or "/" in name:
        return reference
    if not settings.image_repository:
        raise ConfigurationError(
            f"image {reference} is in a registry, and CYCLONE_IMAGE_REPOSITORY is empty. Set it to where images are, as"
            " localhost:5000/cyclone"
        )
    return f"{settings.image_repository}/{reference}"


def append_layer(
    settings: Settings, repository: "ImageRepository", tag: str, folder: Path, labels: dict[str, str]
) -> str:
    """Push the base image with the folder's content as a layer over the bundle's root. The digest of the tag.

    Errors: `ReleaseError` when the base image is missing or the registry refuses. Then the tag is as it was.
    """
    from training.images.base import find_base
    from training.images.layer import CONFIG_TYPE, Blob, extend_config, extend_manifest, write_layer

    base, manifest = find_base(settings, read_packages(folder))
    for part in manifest["layers"]:
        repository.take_blob(Blob.from_json(part), base)
    path = folder.with_name(f"{folder.name}.tar")
    layer = write_layer(folder, path)
    repository.write_blob(path, layer)
    model = repository.name.rpartition("/")[2]  # without the registry, so that the digest is the same in each
    config = extend_config(base.read_config(manifest), layer, labels, f"cyclone: {model}:{tag}")
    path.write_bytes(config)
    repository.write_blob(path, config_blob := Blob.of(CONFIG_TYPE, config))
    path.unlink()
    return repository.write_manifest(tag, extend_manifest(manifest, layer, config_blob))


def list_images(settings: Settings, spec: ModelSpec) -> dict[int, str]:
    """The address of every image of the model that exists, by version, whether it is deployed or not."""
    if settings.image_repository:
        from training.images.repository import ImageRepository

        repository = ImageRepository(f"{settings.image_repository}/{spec.name}")
        stored = {tag: repository.read_manifest(tag) for tag in repository.list_tags()}
        references = {tag: f"{repository.name}@{found[1]}" for tag, found in stored.items() if found}
    else:
        references = {bento.tag.version: str(bento.tag) for bento in list_bentos(spec.name)}
    versions = {tag: read_tag(tag) for tag in references}
    return {version: references[tag] for tag, version in versions.items() if version is not None}


def remove_image(image: str, version: int) -> None:
    """Remove the image of a version, which is a Bento or one in a registry. Nothing happens if it is gone already.

    What it shares with other images stays. A registry that allows no deletion keeps the image.
    """
    name, _, digest = image.partition("@")
    if digest:
        from training.images.repository import ImageRepository

        ImageRepository(name).delete_image(digest, name_tag(version))
    elif "/" not in name and (bento := find_bento(name)) is not None:
        import bentoml

        bentoml.bentos.delete(bento.tag)


def _label(spec: ModelSpec, version: int, origin: Origin) -> dict[str, str]:
    """The labels of a version's image. The base image adds `org.opencontainers.image.revision`."""
    return {
        "org.opencontainers.image.title": spec.name,
        "org.opencontainers.image.version": name_tag(version),
        "cyclone.model": spec.name,
        "cyclone.version": str(version),
        RUN_LABEL: origin.mlflow_run_id,
        **({"cyclone.data-fingerprint": origin.fingerprint} if origin.fingerprint else {}),
    }


def _check_run(image: str, held: str | None, origin: Origin, means: str) -> None:
    if held != origin.mlflow_run_id:
        raise ReleaseError(
            f"{image} holds the model of MLflow run {held}, and the version is of run {origin.mlflow_run_id}. If"
            f" nothing serves the image, delete it with {means}, and clear the task `image` in Airflow"
        )
