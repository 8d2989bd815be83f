"""A registry as it is: Debian's `docker-registry` on a free port, with or without a token service before it."""

import base64
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from local_platform.image_registry import start_registry
from local_platform.processes import GuardedProcess, free_port, wait_until_ready

SERVICE, ISSUER = "registry", "token-service"


@dataclass
class ImageRegistry:
    """A registry that can be stopped and started again with what it holds."""

    folder: Path
    port: int
    extra: dict[str, Any]
    process: GuardedProcess | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = start_registry(self.folder, self.port, self.extra)
        wait_until_ready(f"http://{self.address}/", 30, self.process)

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    def list_sent(self) -> list[tuple[str, str]]:
        """Method and path of every request that brought something, in order."""
        lines = [line.split('"') for line in (self.folder / "registry.log").read_text().splitlines()]
        asked = [line[1].split() for line in lines if len(line) > 2 and line[1].count(" ") == 2]
        return [(method, urlsplit(url).path) for method, url, _ in asked if method in ("PUT", "PATCH")]


@contextmanager
def run_registry(folder: Path, auth: dict[str, Any] | None = None) -> Iterator[ImageRegistry]:
    """A registry that keeps its images in `folder`."""
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is not installed; on Debian: apt-get install docker-registry")
    registry = ImageRegistry(folder, free_port(0), {"auth": auth} if auth else {})
    registry.start()
    yield registry
    registry.stop()


@contextmanager
def run_registry_with_tokens(folder: Path, user: str, password: str) -> Iterator[ImageRegistry]:
    """A registry that wants a bearer token for just what is asked, as Google's does. Its service knows one user."""
    folder.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = _sign_certificate(key)
    (folder / "root.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    wanted = base64.b64encode(f"{user}:{password}".encode()).decode()
    chain = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()

    class TokenService(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != f"Basic {wanted}":
                self.send_error(401)
                return
            scopes = parse_qs(urlsplit(self.path).query).get("scope", [])
            claims = _build_claims([scope for each in scopes for scope in each.split()])
            content = json.dumps({"token": jwt.encode(claims, key, "RS256", {"x5c": [chain]})}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            """Nothing to say."""

    with ExitStack() as stack:
        server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), TokenService))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        realm = f"http://127.0.0.1:{server.server_port}/token"
        token = {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(folder / "root.pem")}
        yield stack.enter_context(run_registry(folder, {"token": token}))


def _build_claims(scopes: list[str]) -> dict[str, Any]:
    now = int(time.time())
    parts = [scope.split(":") for scope in scopes]
    access = [{"type": kind, "name": name, "actions": actions.split(",")} for kind, name, actions in parts]
    times = {"iat": now - 10, "nbf": now - 10, "exp": now + 300}
    return {"iss": ISSUER, "sub": "tester", "aud": SERVICE, "jti": "1", "access": access, **times}


def _sign_certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    now = datetime.now(UTC)
    unsigned = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = (
        unsigned.serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
    )
    return dated.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, SHA256())


def read_image(registry: ImageRegistry, reference: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and configuration of `HOST/NAME@DIGEST`, asked without Cyclone's client."""
    name, digest = reference.removeprefix(f"{registry.address}/").split("@")
    base = f"http://{registry.address}/v2/{name}"
    headers = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    manifest = requests.get(f"{base}/manifests/{digest}", headers=headers, timeout=30).json()
    config = requests.get(f"{base}/blobs/{manifest['config']['digest']}", timeout=30).json()
    return manifest, config
