"""A model layer: what a version adds to the base image, and the manifest and configuration of the two together.

The layer is a plain tar, not compressed: a model file hardly shrinks, the same model gives the same bytes whatever
the zlib, and its digest is its `diff_id` (OCI image specification 1.1, config.md).
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
"""Where BentoML lays the code in an image; `bento_service.bundle` finds the model beside it."""
USER = "1034:1034"
"""BentoML's user by number, so that Kubernetes can see that it is not root."""
ENTRYPOINT = ["/app/.venv/bin/python", "-m", "bento_service"]
ENVIRONMENT = {
    BENTOML_HOME_VARIABLE: "/tmp/bentoml",  # noqa: S108 (of the container, its only writable folder)
    **SERVING_SWITCHES,
    "PYTHONDONTWRITEBYTECODE": "1",
}
EPOCH = "1970-01-01T00:00:00Z"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
OCI_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar": LAYER_TYPE,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": f"{LAYER_TYPE}+gzip",
}
"""What Docker calls the layers of a base that it pushed, and what they are called in an OCI image."""


@dataclass(frozen=True)
class Blob:
    """Bytes in a registry."""

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
    """Write the folder's content as a layer at `path`: sorted, of root, from 1970, readable by everybody."""
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
    """The image configuration of the base with the layer on top, run as a user who is not root, without a shell."""
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
    """The OCI manifest of the base's layers and one more."""
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
    """JSON that is the same bytes for the same content."""
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
