"""A repository of images in a registry, used over the OCI distribution API 1.1. No container engine is needed."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import oras.auth
import oras.decorator
import requests
from oras.auth.token import TokenAuth
from oras.container import Container
from oras.provider import Registry
from requests.adapters import HTTPAdapter

from cyclone.errors import ConfigurationError, ReleaseError
from cyclone.temporary import temporary_folder
from cyclone.wording import join_clauses
from training.images.layer import MANIFEST_TYPE, Blob

PLATFORM = {"os": "linux", "architecture": "amd64"}
"""The platform that Cloud Run runs. It is chosen from an index of several."""
INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
ACCEPTED_TYPES = (MANIFEST_TYPE, "application/vnd.docker.distribution.manifest.v2+json", *INDEX_TYPES)
# How long a silent registry is waited for. Storing a large layer takes a while, and a task should try again soon.
REQUEST_SECONDS = 60
# How many tags are asked for at once. Fewer pages are fewer requests. A registry may give smaller pages.
TAGS_A_PAGE = 500
GOOGLE_REGISTRIES = (".pkg.dev", "gcr.io")


class ImageRepository:
    """One repository of a registry, as `europe-west1-docker.pkg.dev/project/cyclone/bike_demand`.

    The credentials are Docker's, from `config.json` and its helpers. If Docker has none for a registry of Google,
    application default credentials are used. Registries on loopback are asked without TLS, as Docker does.
    Errors: every method raises `ReleaseError` with what the registry said. `ConfigurationError` for a name that is no
    repository.
    """

    def __init__(self, name: str) -> None:
        host, _, path = name.partition("/")
        if not path or not {".", ":"} & set(host) or "@" in path or ":" in path:
            raise ConfigurationError(
                f"{name!r} is no image repository. Set CYCLONE_IMAGE_REPOSITORY to HOST/PATH, as localhost:5000/cyclone"
            )
        self.name, self._place = name, Container(name)
        is_local = host.rsplit(":", 1)[0] in ("localhost", "127.0.0.1", "[::1]")
        self._client = _Client(insecure=is_local)
        self._client.use_timeouts()
        self._client.auth = _Auth()
        self._client.auth.session, self._client.auth._tls_verify = self._client.session, True
        self._client.auth.prefix = self._client.prefix
        with self._talking():
            self._load_credentials(host)

    def read_manifest(self, tag: str) -> tuple[dict[str, Any], str] | None:
        """The manifest of a tag or digest, and the manifest's digest, or None when there is none.

        Of an index of several platforms it is the one for Cloud Run.
        """
        response = self._ask("GET", self._place.manifest_url(tag), {"Accept": ", ".join(ACCEPTED_TYPES)}, (200, 404))
        if response.status_code == 404:
            return None
        manifest = response.json()
        if manifest.get("mediaType", response.headers.get("Content-Type")) not in INDEX_TYPES:
            return manifest, Blob.of(MANIFEST_TYPE, response.content).digest
        fitting = [each["digest"] for each in manifest["manifests"] if PLATFORM.items() <= each["platform"].items()]
        if not fitting:
            platform = "/".join(PLATFORM.values())
            raise ReleaseError(f"{self.name}:{tag} has no image for {platform}. Build and push one for this platform")
        return self.read_manifest(fitting[0])

    def read_config(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """The image configuration that a manifest names."""
        response = self._ask("GET", self._place.get_blob_url(manifest["config"]["digest"]), {}, (200,))
        return dict(json.loads(response.content))

    def write_blob(self, path: Path, blob: Blob) -> None:
        """Send a file as a blob, unless the repository has it, and check that it arrived."""
        with self._talking():
            self._check(self._client.upload_blob(str(path), self._place, blob.to_json()), (200, 201))
        if not self._has(blob):
            raise ReleaseError(
                f"{self.name}: {blob.digest} was sent, but the registry does not have its {blob.size} bytes. Try again,"
                " and look at the registry's disk"
            )

    def take_blob(self, blob: Blob, source: "ImageRepository") -> None:
        """Take over a blob from another repository. Within one registry it is mounted, else it is fetched and sent."""
        if self._has(blob):
            return
        if source._place.registry == self._place.registry:
            url = f"{self._place.upload_blob_url()}?mount={blob.digest}&from={source._place.api_prefix}"
            if self._ask("POST", url, {}, (201, 202)).status_code == 201:
                return
        with temporary_folder("blob") as folder:
            path = folder / "blob"
            source._fetch(blob, path)
            self.write_blob(path, blob)

    def write_manifest(self, tag: str, content: bytes) -> str:
        """Write a manifest under a tag and return its digest, as it was read back. All its blobs have to be there."""
        url, digest = self._place.manifest_url(tag), Blob.of(MANIFEST_TYPE, content).digest
        self._ask("PUT", url, {"Content-Type": MANIFEST_TYPE}, (201,), content)
        stored = self.read_manifest(tag)
        if stored is None or stored[1] != digest:
            raise ReleaseError(
                f"{self.name}:{tag} is {stored and stored[1]} after {digest} was sent. Look whether something else"
                " pushes this tag"
            )
        return digest

    def list_tags(self) -> list[str]:
        """The tags of all images. There are none if nothing was ever pushed."""
        url, tags = str(self._place.tags_url(TAGS_A_PAGE)), list[str]()
        while url:
            response = self._ask("GET", url, {}, (200, 404))
            if response.status_code == 404:
                break
            tags += response.json()["tags"] or []
            following = response.links.get("next", {}).get("url")
            url = urljoin(response.url, following).removeprefix(f"{self._client.prefix}://") if following else ""
        return tags

    def delete_image(self, digest: str, tag: str) -> None:
        """Delete an image with its tag, if it is there and the registry allows it.

        Google's registry deletes no image to which a tag points, and others delete no tag by itself. So the tag is
        tried first. The registry's next clean-up removes the blobs that no other image has.
        """
        found = self.read_manifest(tag)
        if found is not None and found[1] == digest:
            self._ask("DELETE", self._place.manifest_url(tag), {}, (202, 400, 404, 405))
        self._ask("DELETE", self._place.manifest_url(digest), {}, (202, 404, 405))

    def _has(self, blob: Blob) -> bool:
        response = self._ask("HEAD", self._place.get_blob_url(blob.digest), {}, (200, 404))
        return response.status_code == 200 and int(response.headers["Content-Length"]) == blob.size

    def _fetch(self, blob: Blob, path: Path) -> None:
        with self._talking(), self._client.get_blob(self._place, blob.digest, stream=True) as response:
            self._check(response, (200,))
            with path.open("wb") as file:
                shutil.copyfileobj(response.raw, file)

    def _ask(
        self, method: str, url: str, headers: dict[str, str], expected: tuple[int, ...], data: bytes | None = None
    ) -> requests.Response:
        with self._talking():
            url = f"{self._client.prefix}://{url}"
            response: requests.Response = self._client.do_request(url, method, data=data, headers=headers)
            self._check(response, expected)
            return response

    def _check(self, response: requests.Response, expected: tuple[int, ...]) -> None:
        if response.status_code not in expected:
            raise ReleaseError(f"{self.name}: the registry answers {response.status_code}: {_read_reason(response)}")

    def _load_credentials(self, host: str) -> None:
        auth = self._client.auth
        folder = os.environ.get("DOCKER_CONFIG")
        auth.load_configs(self._place, configs=[str(Path(folder) / "config.json")] if folder else None)
        if not hasattr(auth, "_basic_auth") and host.endswith(GOOGLE_REGISTRIES):
            auth.set_basic_auth("oauth2accesstoken", _read_google_token())

    @contextmanager
    def _talking(self) -> Iterator[None]:
        try:
            yield
        except (requests.RequestException, oras.auth.AuthenticationException, ValueError, OSError) as error:
            raise ReleaseError(
                f"{self.name}: the registry does not answer as it should. Look whether it runs at this address: {error}"
            ) from error


class _Client(Registry):  # type: ignore[misc]  # oras is not typed
    """The client of oras with one retry after a second. That is enough, because a failed task is tried again."""

    do_request = oras.decorator.retry(attempts=1, timeout=0)(Registry.do_request.__wrapped__)

    def use_timeouts(self) -> None:
        for prefix in ("http://", "https://"):
            self.session.mount(prefix, _TimedAdapter())


class _TimedAdapter(HTTPAdapter):
    """An adapter that gives up on a silent registry after `REQUEST_SECONDS`. oras itself sets no limit."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        return super().send(request, *args, **{**options, "timeout": options.get("timeout") or REQUEST_SECONDS})


class _Auth(TokenAuth):  # type: ignore[misc]
    """The authentication of oras with two changes.

    Each challenge gets a new token, because the token of a pull may not push. Basic authentication works too.
    """

    _scheme = "Bearer"
    token: str | None

    def authenticate_request(
        self, original: requests.Response, headers: dict[str, str], refresh: bool = False
    ) -> tuple[dict[str, str], bool]:
        if not original.headers.get("Www-Authenticate", "").lower().startswith("basic"):
            headers, changed = super().authenticate_request(original, headers, refresh=True)
            return headers, changed
        if self.token is not None or not hasattr(self, "_basic_auth"):
            return headers, True  # the request is repeated in vain, so that the registry's own error is seen
        self._scheme, self.token = "Basic", self._basic_auth
        return {**(headers or {}), **self.get_auth_header()}, True

    def get_auth_header(self) -> dict[str, str]:
        return {"Authorization": f"{self._scheme} {self.token}"} if self.token else {}


def _read_google_token() -> str:
    import google.auth
    import google.auth.transport.requests
    from google.auth.exceptions import GoogleAuthError

    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        credentials.refresh(google.auth.transport.requests.Request())
    except GoogleAuthError as error:
        raise ReleaseError(
            "Docker has no credentials for Google's registry, and there are no application default credentials. Type"
            f" `gcloud auth application-default login`, or `docker login` for this registry: {error}"
        ) from error
    return str(credentials.token)


def _read_reason(response: requests.Response) -> str:
    try:
        errors = response.json()["errors"]
        return join_clauses(f"{each['code']} {each.get('message', '')}".strip() for each in errors)
    except (ValueError, KeyError, TypeError):
        return response.reason or "nothing more"
