"""Images in a real registry: a model layer is appended to a base, once, and nothing is sent twice."""

import base64
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from cyclone.errors import ConfigurationError, ReleaseError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from tests.support.image_registry import ImageRegistry, read_image, run_registry, run_registry_with_tokens
from training.images.base import name_base, open_repository
from training.images.image import append_layer, list_images, locate_image, remove_image
from training.images.layer import CONFIG_TYPE, MANIFEST_TYPE, Blob, to_bytes, write_layer
from training.images.repository import INDEX_TYPES, ImageRepository

LABELS = {"cyclone.version": "3"}
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageRegistry]:
    with run_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def settings(registry: ImageRegistry, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Settings whose images go to a place of the test's own."""
    place = request.node.name.replace("_", "-")
    return Settings(image_repository=f"{registry.address}/{place}", work_dir=tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A staged model: what its layer holds."""
    folder = tmp_path / "v3"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.skops").write_bytes(bytes(range(256)) * 400)
    (folder / "release.json").write_text("{}")
    return folder


def push_base(settings: Settings, tmp_path: Path) -> ImageRepository:
    """A base as Docker pushes one, with a layer that says so and nothing that runs."""
    repository = open_repository(settings)
    layer, config = b"a layer of the base", {"architecture": "amd64", "os": "linux"}
    described = {
        **config,
        "config": {"User": "bentoml", "Env": ["A=1"], "Labels": {"kept": "yes"}, "Entrypoint": ["/entry.sh"]},
        "rootfs": {"type": "layers", "diff_ids": [Blob.of("", layer).digest]},
        "history": [{"created_by": "the base"}],
    }
    blobs = [(DOCKER_LAYER, layer), (CONFIG_TYPE, to_bytes(described))]
    for media_type, content in blobs:
        (tmp_path / "blob").write_bytes(content)
        repository.write_blob(tmp_path / "blob", Blob.of(media_type, content))
    layers = [Blob.of(*blobs[0]).to_json()]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": Blob.of(*blobs[1]).to_json(),
        "layers": layers,
    }
    repository.write_manifest(name_base(settings), to_bytes(manifest))
    return repository


def open_model_repository(settings: Settings) -> ImageRepository:
    return ImageRepository(f"{settings.image_repository}/bike_demand")


def test_the_base_gets_one_layer_with_the_model_over_the_bundle(
    registry: ImageRegistry, settings: Settings, model: Path, tmp_path: Path
) -> None:
    base = push_base(settings, tmp_path)
    repository = open_model_repository(settings)
    digest = append_layer(settings, repository, "v3", model, LABELS)
    manifest, config = read_image(registry, f"{repository.name}@{digest}")
    assert [each["mediaType"] for each in manifest["layers"]] == [
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar",
    ]
    layer = manifest["layers"][1]
    assert config["rootfs"]["diff_ids"][1] == layer["digest"]
    assert config["history"][1]["created_by"] == "cyclone: bike_demand:v3"
    assert config["config"] == {
        "Labels": {"kept": "yes", "cyclone.version": "3"},
        "Env": ["A=1", "BENTOML_HOME=/tmp/bentoml", "BENTOML_DO_NOT_TRACK=True", "PYTHONDONTWRITEBYTECODE=1"],
        "User": "1034:1034",
        "Entrypoint": ["/app/.venv/bin/python", "-m", "bento_service"],
        "Cmd": None,
        "WorkingDir": "/home/bentoml/bento/src",
    }
    url = f"http://{registry.address}/v2/{repository.name.split('/', 1)[1]}/blobs/{layer['digest']}"
    with tarfile.open(fileobj=io.BytesIO(requests.get(url, timeout=30).content)) as tar:
        assert [(each.name, each.mode, each.uid, each.mtime) for each in tar.getmembers()] == [
            ("home/bentoml/bento/src/model", 0o755, 0, 0),
            ("home/bentoml/bento/src/model/model.skops", 0o644, 0, 0),
            ("home/bentoml/bento/src/release.json", 0o644, 0, 0),
        ]
    assert base.read_manifest(name_base(settings)) is not None


def test_the_same_model_gives_the_same_digest_and_its_blobs_are_not_sent_again(
    registry: ImageRegistry, settings: Settings, model: Path, tmp_path: Path
) -> None:
    push_base(settings, tmp_path)
    repository = open_model_repository(settings)
    digest = append_layer(settings, repository, "v3", model, LABELS)
    sent = list_sent(registry, repository)
    assert [kind for kind, _ in sent] == ["blob", "blob", "manifest"]  # the base's layer was mounted, not sent
    for path in model.rglob("*"):
        path.touch()
        path.chmod(0o700)
    assert append_layer(settings, repository, "v3", model, LABELS) == digest
    assert [kind for kind, _ in list_sent(registry, repository)[3:]] == ["manifest"]
    (model / "release.json").write_text('{"other": 1}')
    assert append_layer(settings, repository, "v4", model, LABELS) != digest


def test_the_same_model_has_the_same_digest_in_a_registry_at_another_address(
    settings: Settings, model: Path, tmp_path: Path
) -> None:
    push_base(settings, tmp_path)
    digest = append_layer(settings, open_model_repository(settings), "v3", model, LABELS)
    with run_registry(tmp_path / "moved") as other:
        moved = settings.model_copy(update={"image_repository": f"{other.address}/cyclone"})
        push_base(moved, tmp_path)
        assert append_layer(moved, open_model_repository(moved), "v3", model, LABELS) == digest


def test_an_image_is_looked_up_where_the_registry_is_now_unless_it_is_named_with_one() -> None:
    settings = Settings(image_repository="localhost:5000/cyclone")
    assert locate_image(settings, "bike_demand@sha256:12") == "localhost:5000/cyclone/bike_demand@sha256:12"
    for reference in ("bike_demand:v2", "gcr.io/other/bike_demand@sha256:12"):
        assert locate_image(settings, reference) == reference
    with pytest.raises(ConfigurationError, match="bike_demand@sha256:12 is in a registry, and CYCLONE_"):
        locate_image(Settings(), "bike_demand@sha256:12")


def test_images_are_listed_by_version_over_pages_and_removed(
    settings: Settings, model: Path, tmp_path: Path, bike_demand: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.images.repository.TAGS_A_PAGE", 1)
    assert list_images(settings, bike_demand) == {}
    push_base(settings, tmp_path)
    repository = open_model_repository(settings)
    digests = {
        tag: append_layer(settings, repository, tag, model, {"cyclone.version": tag}) for tag in ("v3", "v12", "mine")
    }
    assert repository.list_tags() == ["mine", "v12", "v3"]
    images = list_images(settings, bike_demand)
    assert images == {3: f"{repository.name}@{digests['v3']}", 12: f"{repository.name}@{digests['v12']}"}
    for _ in range(2):
        remove_image(images[3], 3)
    assert list_images(settings, bike_demand) == {12: images[12]}


def list_sent(registry: ImageRegistry, repository: ImageRepository) -> list[tuple[str, str]]:
    path = "/v2/" + repository.name.split("/", 1)[1]
    mine = [url.removeprefix(path) for _, url in registry.list_sent() if url.startswith(path)]
    return [("manifest" if "/manifests/" in url else "blob", url) for url in mine]


def test_a_base_that_nobody_pushed_is_named_with_the_command(settings: Settings, model: Path) -> None:
    with pytest.raises(ReleaseError, match=r"base:[0-9a-f]{16} is not in the registry.*python -m training.images.base"):
        append_layer(settings, open_model_repository(settings), "v3", model, LABELS)


def test_a_registry_that_goes_away_mid_push_keeps_the_tag_and_the_next_try_sends_the_rest(
    registry: ImageRegistry, settings: Settings, model: Path, tmp_path: Path
) -> None:
    push_base(settings, tmp_path)
    repository = open_model_repository(settings)
    first = append_layer(settings, repository, "v3", model, LABELS)
    (model / "release.json").write_text('{"second": true}')
    repository.write_blob(tmp_path / "layer.tar", write_layer(model, tmp_path / "layer.tar"))
    before = len(list_sent(registry, repository))
    registry.stop()
    with pytest.raises(ReleaseError, match=f"{repository.name}: the registry does not answer as it should"):
        repository.write_manifest("v3", b"{}")
    with pytest.raises(ReleaseError, match="base: the registry does not answer as it should"):
        append_layer(settings, repository, "v3", model, LABELS)
    registry.start()
    assert read_digest(repository) == first
    second = append_layer(settings, repository, "v3", model, LABELS)
    assert read_digest(repository) == second != first
    assert [kind for kind, _ in list_sent(registry, repository)[before:]] == ["blob", "manifest"]


def read_digest(repository: ImageRepository) -> str:
    found = repository.read_manifest("v3")
    assert found is not None
    return found[1]


def test_of_an_index_the_image_for_cloud_run_is_taken(
    registry: ImageRegistry, settings: Settings, tmp_path: Path
) -> None:
    repository = push_base(settings, tmp_path)
    found = repository.read_manifest(name_base(settings))
    assert found is not None
    for architecture, tag in (("amd64", "both"), ("arm64", "other")):
        content = describe_index(found, architecture)
        url = f"http://{registry.address}/v2/{repository.name.split('/', 1)[1]}/manifests/{tag}"
        requests.put(url, content, headers={"Content-Type": INDEX_TYPES[0]}, timeout=30).raise_for_status()
    assert repository.read_manifest("both") == found
    with pytest.raises(ReleaseError, match="other has no image for linux/amd64"):
        repository.read_manifest("other")


def describe_index(image: tuple[dict[str, Any], str], architecture: str) -> bytes:
    size = len(to_bytes(image[0]))
    entry = {"mediaType": MANIFEST_TYPE, "digest": image[1], "size": size}
    platform = {"os": "linux", "architecture": architecture}
    return to_bytes({"schemaVersion": 2, "mediaType": INDEX_TYPES[0], "manifests": [{**entry, "platform": platform}]})


def test_a_base_of_another_registry_is_fetched_and_sent(
    registry: ImageRegistry, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "blob").write_bytes(b"from elsewhere")
    blob = Blob.of(CONFIG_TYPE, b"from elsewhere")
    with run_registry(tmp_path / "elsewhere") as other:
        source = ImageRepository(f"{other.address}/base")
        source.write_blob(tmp_path / "blob", blob)
        repository = open_model_repository(settings)
        repository.take_blob(blob, source)
        repository.take_blob(blob, source)
    assert [kind for kind, _ in list_sent(registry, repository)] == ["blob"]


def test_credentials_are_dockers_and_a_push_gets_a_token_of_its_own(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    with run_registry_with_tokens(tmp_path / "registry", "someone", "secret") as registry:
        settings = Settings(image_repository=f"{registry.address}/cyclone", work_dir=tmp_path)
        write_docker_config(tmp_path / "docker", registry.address, "wrong")
        with pytest.raises(ReleaseError, match=f"{registry.address}/cyclone/base: the registry"):
            push_base(settings, tmp_path)
        write_docker_config(tmp_path / "docker", registry.address, "secret")
        push_base(settings, tmp_path)
        repository = open_model_repository(settings)
        digest = append_layer(settings, repository, "v3", model, LABELS)
        assert read_digest(repository) == digest


def write_docker_config(folder: Path, address: str, password: str) -> None:
    auth = base64.b64encode(f"someone:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {address: {"auth": auth}}}))


@pytest.mark.parametrize("name", ["cyclone", "localhost/cyclone", "localhost:5000/", "localhost:5000/cyclone:tag"])
def test_a_repository_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is no image repository\. Set CYCLONE_IMAGE_REPOSITORY to HOST/PATH"):
        ImageRepository(name)
