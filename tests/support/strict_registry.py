"""A registry that deletes as Google's Artifact Registry does: no image to which a tag points, and tags alone."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

from tests.support.image_registry import ImageRegistry, run_registry

PASSED_ON = ("Content-Type", "Location", "Docker-Content-Digest", "Docker-Upload-UUID", "Range", "Link")


@dataclass
class StrictRegistry:
    """A way to a registry on which deletions are refused. `deleted` are the paths of those that were not."""

    address: str
    deleted: list[str] = field(default_factory=list)


@contextmanager
def run_strict_registry(folder: Path) -> Iterator[StrictRegistry]:
    """A strict registry that keeps its images in `folder`."""
    with run_registry(folder) as registry:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _build_handler(registry))
        strict = StrictRegistry(f"127.0.0.1:{server.server_port}")
        server.strict = strict  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield strict
        server.shutdown()
        server.server_close()


def _build_handler(registry: ImageRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = requests.request(
                self.command,
                f"http://{registry.address}{self.path}",
                data=body,
                headers=dict(self.headers),
                timeout=30,
                allow_redirects=False,
            )
            self.send_response(reply.status_code)
            for name in PASSED_ON:
                if name in reply.headers:
                    self.send_header(name, reply.headers[name])
            is_head = self.command == "HEAD"
            self.send_header("Content-Length", reply.headers["Content-Length"] if is_head else str(len(reply.content)))
            self.end_headers()
            if not is_head:
                self.wfile.write(reply.content)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = pass_on  # noqa: N815 (the base class names them so)

        def do_DELETE(self) -> None:
            name, _, reference = self.path.removeprefix("/v2/").partition("/manifests/")
            tags = registry.folder / "images/docker/registry/v2/repositories" / name / "_manifests" / "tags"
            pointing = [tag.name for tag in tags.iterdir() if read_digest(tag) == reference] if tags.exists() else []
            if pointing:
                return self.refuse(400, "GOOGLE_MANIFEST_DANGLING_TAG", f"Manifest is still referenced by {pointing}.")
            strict: StrictRegistry = self.server.strict  # type: ignore[attr-defined]
            strict.deleted.append(self.path)
            if ":" in reference:
                return self.pass_on()
            shutil.rmtree(tags / reference, ignore_errors=True)
            self.send_response(202)
            self.send_header("Content-Length", "0")
            return self.end_headers()

        def refuse(self, status: int, code: str, message: str) -> None:
            body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
            return

    return Handler


def read_digest(tag: Path) -> str:
    """The digest that a stored tag points to."""
    return (tag / "current" / "link").read_text().strip()
