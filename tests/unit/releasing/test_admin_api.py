"""The connection to the Admin API: REST, one client of each kind, and Google's own address where none is set."""

from pathlib import Path

import pytest

from cyclone.settings import Settings
from local_platform.cloud_run.identity import Issuer
from releasing.admin_api import AdminApi


def test_without_an_endpoint_google_is_asked_over_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Issuer(tmp_path, "http://127.0.0.1:1", "p", ["release"])
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "release.json"))
    api = AdminApi(Settings(cloud_run_endpoint=""), 1)
    client = api.client("ServicesClient")
    assert (client.transport.kind, client.transport.host) == ("rest", "https://run.googleapis.com")
    assert api.client("ServicesClient") is client
    assert api.place == "https://run.googleapis.com (projects/local/locations/local)"
