"""A model layer: what a version adds to the base image, with the manifest and configuration of both together.

The layer is a tar that is not compressed. A model file hardly shrinks, and without compression the same model gives the
same bytes with every zlib. The layer's digest then is its `diff_id` too (OCI image specification 1.1, config.md).
"""

import copy
import hashlib
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclone.image_contract import BENTOML_HOME_VARIABLE
from cyclone.telemetry import SERVING_SWITCHES

BUNDLE_ROOT = "home/bentoml/bento/src"
"""The folder of an image in which BentoML puts the code. `bento_service.bundle` finds the model there."""
USER = "1034:1034"
"""BentoML's user and group. They are numbers, because Kubernetes cannot tell of a name that it is not root."""
ENTRYPOINT = ["/app/.venv/bin/python", "-m", "bento_service"]
ENVIRONMENT = {
    BENTOML_HOME_VARIABLE: "/tmp/bentoml",  # noqa: S108 (of the container, its only writable folder)
    **SERVING_SWITCHES,
    "PYTHONDONTWRITEBYTECODE": "1",
}
# A fixed time, so that the same model gives the same digest.
EPOCH = "1970-01-01T00:00:00Z"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
OCI_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar": LAYER_TYPE,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": f"{LAYER_TYPE}+gzip",
}
"""Docker's name for each type of layer in a base image that it pushed, and the name in an OCI image."""


@dataclass(frozen=True)
class Blob:
    """A blob of a registry: bytes, named by their digest. `size` is in bytes."""

    media_type: str
    digest: str
    size: int

    @classmethod
    def of(cls, media_type: str, content: bytes) -> "Blob":
        return cls(media_type, f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))

    @classmethod
    def from_json(cls, descriptor: Mapping[str, Any]) -> "Blob":
        return cls(descriptor["mediaType"], descriptor["digest"], descriptor["size"])

    def to_json(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


def write_layer(folder: Path, path: Path) -> Blob:
    """Write a folder's content as a layer to `path`, and return its blob.

    Files are sorted, owned by root, dated 1970, and readable by everybody. So the same content gives the same bytes.
    """
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for source in sorted(folder.rglob("*")):
            entry = tarfile.TarInfo(f"{BUNDLE_ROOT}/{source.relative_to(folder).as_posix()}")
            if source.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            else:
                entry.mode, entry.size = 0o644, source.stat().st_size
                with source.open("rb") as content:
                    tar.addfile(entry, content)
    with path.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    return Blob(LAYER_TYPE, f"sha256:{digest}", path.stat().st_size)


def extend_config(base: Mapping[str, Any], layer: Blob, labels: Mapping[str, str], created_by: str) -> bytes:
    """The base image's configuration with the layer added, as JSON. It runs without a shell as a user who is not root.

    Labels and variables are added to those of the base image.
    """
    config = copy.deepcopy(dict(base))
    container = config.setdefault("config", {})
    container["Labels"] = {**(container.get("Labels") or {}), **labels}
    inherited = dict(each.split("=", 1) for each in container.get("Env") or [])
    container["Env"] = [f"{name}={value}" for name, value in {**inherited, **ENVIRONMENT}.items()]
    container.update(User=USER, Entrypoint=ENTRYPOINT, Cmd=None, WorkingDir=f"/{BUNDLE_ROOT}")
    config["rootfs"]["diff_ids"].append(layer.digest)
    config.setdefault("history", []).append({"created": EPOCH, "created_by": created_by})
    return to_bytes(config)


def extend_manifest(base: Mapping[str, Any], layer: Blob, config: Blob) -> bytes:
    """The OCI manifest of the base image's layers and one more, as JSON."""
    layers = [Blob.from_json(each) for each in base["layers"]]
    renamed = [Blob(OCI_TYPES.get(each.media_type, each.media_type), each.digest, each.size) for each in layers]
    return to_bytes(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config.to_json(),
            "layers": [each.to_json() for each in [*renamed, layer]],
        }
    )


def to_bytes(content: Mapping[str, Any]) -> bytes:
    """The content as JSON. The same content gives the same bytes."""
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
