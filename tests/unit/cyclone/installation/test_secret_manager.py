"""Secrets are read over HTTP with the credentials of google-auth, from a server of the test's own."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from typer.testing import CliRunner

from cyclone.__main__ import app
from cyclone.errors import ConfigurationError
from cyclone.installation.secret_manager import is_reference, read_secret
from cyclone.settings import Settings

SECRETS = {
    "/v1/projects/p/secrets/dsn/versions/latest:access": (200, "postgresql://u:p@h/d"),
    "/v1/projects/p/secrets/dsn/versions/3:access": (200, "postgresql://u:old@h/d"),
    "/v1/projects/p/secrets/other/versions/latest:access": (403, "Permission denied on resource"),
    "/v1/projects/p/secrets/busy/versions/latest:access": (503, "The service is unavailable"),
}


class Google(BaseHTTPRequestHandler):
    """Google's token service and Secret Manager, as far as they are asked here."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(200, {"access_token": "token-of-the-account", "expires_in": 3600, "token_type": "Bearer"})

    def do_GET(self) -> None:
        if self.headers["authorization"] != "Bearer token-of-the-account":
            self._answer(401, {"error": {"message": "who are you?"}})
            return
        status, text = SECRETS.get(self.path, (404, "Secret not found"))
        body = {"payload": {"data": base64.b64encode(text.encode()).decode()}}
        self._answer(status, body if status == 200 else {"error": {"code": status, "message": text}})

    def _answer(self, status: int, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words: object) -> None:
        """Say nothing on the test's output."""


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The server's address. Its account is the default one of this process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Google)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = f"http://127.0.0.1:{server.server_port}"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {"type": "service_account", "client_email": "a@p.iam", "token_uri": f"{found}/token", "project_id": "p"}
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account | {"private_key": key.decode()}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("CYCLONE_SECRET_MANAGER_ENDPOINT", found)
    read_secret.cache_clear()
    yield found
    server.shutdown()
    server.server_close()
    read_secret.cache_clear()


def test_the_newest_version_is_read_unless_the_name_says_which(address: str) -> None:
    assert read_secret("projects/p/secrets/dsn", address) == "postgresql://u:p@h/d"
    assert read_secret("projects/p/secrets/dsn/versions/3", address) == "postgresql://u:old@h/d"


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ("other", "refused. Give this account roles/secretmanager.secretAccessor on other. Google says: Permission"),
        ("keys", "`gcloud secrets versions add keys --data-file=FILE`. Google says: Secret not found"),
        ("busy", "Secret Manager answered 503. Try again. Google says: The service is unavailable"),
    ],
)
def test_a_secret_that_cannot_be_read_is_named_with_the_remedy(address: str, secret: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_secret(f"projects/p/secrets/{secret}", address)
    assert str(refused.value).startswith(f"secret projects/p/secrets/{secret}: ")
    assert told in str(refused.value)


def test_without_credentials_it_says_where_they_come_from(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(ConfigurationError, match="gcloud auth application-default login"):
        read_secret("projects/p/secrets/dsn", address)


def test_a_setting_may_name_a_secret(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLONE_STORE_DSN", "projects/p/secrets/dsn/versions/latest")
    monkeypatch.setenv("CYCLONE_TRAINING_DSN", "postgresql://replica/d")
    settings = Settings()
    assert (settings.store_dsn, settings.training_store_dsn) == ("postgresql://u:p@h/d", "postgresql://replica/d")


def test_the_command_writes_the_settings_of_an_installation(address: str, tmp_path: Path) -> None:
    outputs = {
        "project": "p",
        "region": "us-central1",
        "image_repository": "us-central1-docker.pkg.dev/p/cyclone",
        "handover_url": "gs://p-cyclone-work/handover",
        "mlflow_uri": "https://mlflow",
        "store_dsn_secret": "projects/p/secrets/dsn",
        "training_dsn_secret": "projects/p/secrets/dsn/versions/3",
    }
    path, to = tmp_path / "terraform.json", tmp_path / "settings.env"
    path.write_text(json.dumps({name: {"value": value} for name, value in outputs.items()}))
    shown = CliRunner().invoke(app, ["configure", "--from-terraform", str(path), "--to", str(to)])
    assert shown.exit_code == 0, shown.output
    assert "postgresql" not in shown.output
    assert to.stat().st_mode & 0o777 == 0o600
    assert to.read_text().splitlines() == [
        "CYCLONE_CLOUD_RUN_PROJECT=p",
        "CYCLONE_CLOUD_RUN_LOCATION=us-central1",
        "CYCLONE_IMAGE_REPOSITORY=us-central1-docker.pkg.dev/p/cyclone",
        "CYCLONE_HANDOVER_URL=gs://p-cyclone-work/handover",
        "MLFLOW_TRACKING_URI=https://mlflow",
        "CYCLONE_STORE_DSN=postgresql://u:p@h/d",
        "CYCLONE_TRAINING_DSN=postgresql://u:old@h/d",
    ]


@pytest.mark.parametrize(
    "value", ["", "postgresql://h/d", "projects/p", "projects/p/secrets/", "x projects/p/secrets/s"]
)
def test_what_names_no_secret_is_a_value(value: str) -> None:
    assert not is_reference(value)
