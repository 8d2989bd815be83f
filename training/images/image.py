"""The image of a version: a Bento of its bundle, or one model layer on the base image of a registry."""

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
from training.images.bundle import Origin, clear_folder, compute_digest, read_origin, stage_bundle, stage_model

if TYPE_CHECKING:
    from training.images.repository import ImageRepository

RUN_LABEL = "cyclone.mlflow-run"


@dataclass(frozen=True)
class Image:
    """What a revision is deployed from: its reference, and the digest of what is in it.

    The reference is a Bento's tag, or `<model>@<digest>` of an image below `image_repository`. Records keep it, and a
    registry may have another address tomorrow. `locate_image` tells where it is now.
    """

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
    """Append the version's model to the base image, over the registry's API alone. The same model, the same digest."""
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
    """Where an image can be had now; a Bento, and an image that is named with its registry, are what they are called.

    Errors: `ConfigurationError` when the image is in a registry and none is configured.
    """
    name, is_stored, _ = reference.partition("@")
    if not is_stored or "/" in name:
        return reference
    if not settings.image_repository:
        raise ConfigurationError(
            f"image {reference} is in a registry, and CYCLONE_IMAGE_REPOSITORY is empty: set it to where images are,"
            " as localhost:5000/cyclone"
        )
    return f"{settings.image_repository}/{reference}"


def append_layer(
    settings: Settings, repository: "ImageRepository", tag: str, folder: Path, labels: dict[str, str]
) -> str:
    """Push the base image with the folder's content laid over the bundle's root; the digest that the tag has now.

    Errors: `ReleaseError` when the base is not there, or the registry refuses; the tag is then as it was.
    """
    from training.images.base import find_base
    from training.images.layer import CONFIG_TYPE, Blob, extend_config, extend_manifest, write_layer

    base, manifest = find_base(settings)
    for part in manifest["layers"]:
        repository.take_blob(Blob.from_json(part), base)
    path = folder.with_name(f"{folder.name}.tar")
    layer = write_layer(folder, path)
    repository.write_blob(path, layer)
    model = repository.name.rpartition("/")[2]  # not the registry: the same version has the same digest wherever it is
    config = extend_config(base.read_config(manifest), layer, labels, f"cyclone: {model}:{tag}")
    path.write_bytes(config)
    repository.write_blob(path, config_blob := Blob.of(CONFIG_TYPE, config))
    path.unlink()
    return repository.write_manifest(tag, extend_manifest(manifest, layer, config_blob))


def list_images(settings: Settings, spec: ModelSpec) -> dict[int, str]:
    """Where the images are that `build_image` made and that are there, by version; deployed or not."""
    if settings.image_repository:
        from training.images.repository import ImageRepository

        repository = ImageRepository(f"{settings.image_repository}/{spec.name}")
        stored = {tag: repository.read_manifest(tag) for tag in repository.list_tags()}
        references = {tag: f"{repository.name}@{found[1]}" for tag, found in stored.items() if found}
    else:
        references = {bento.tag.version: str(bento.tag) for bento in list_bentos(spec.name)}
    versions = {tag: read_tag(tag) for tag in references}
    return {version: references[tag] for tag, version in versions.items() if version is not None}


def remove_image(image: str) -> None:
    """Remove an image by where it is, a Bento or one in a registry; one that is gone is fine.

    What it shares with others stays. A registry that allows no deletion keeps it.
    """
    name, _, digest = image.partition("@")
    if digest:
        from training.images.repository import ImageRepository

        ImageRepository(name).delete_manifest(digest)
    elif "/" not in name and (bento := find_bento(name)) is not None:
        import bentoml

        bentoml.bentos.delete(bento.tag)


def _label(spec: ModelSpec, version: int, origin: Origin) -> dict[str, str]:
    """What the image says of itself; `org.opencontainers.image.revision` is the base's."""
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
            f"{image} holds the model of MLflow run {held}, the version is of run {origin.mlflow_run_id}; "
            f"delete it with {means} if nothing serves it"
        )
