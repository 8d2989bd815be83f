"""The secret of a platform's webhooks, and what is said about them."""

from pathlib import Path

import pytest

from cyclone.alerts.credentials import read_secret
from local_platform.airflow import AirflowPlace
from local_platform.webhooks import describe_webhook, find_webhook_secret


def test_a_platform_draws_a_secret_once_which_only_its_owner_can_read(tmp_path: Path) -> None:
    place = AirflowPlace(tmp_path, "postgresql://127.0.0.1:1/airflow", 8080)
    path = find_webhook_secret(place)
    drawn = read_secret(path)
    assert (find_webhook_secret(place), read_secret(path)) == (path, drawn)
    assert path.stat().st_mode & 0o777 == 0o600
    said = describe_webhook(place)
    assert said == f"http://127.0.0.1:8080/cyclone/webhooks/grafana, signed with the secret in {path}"
    assert drawn.decode() not in said


def test_a_secret_of_the_users_own_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLONE_WEBHOOK_SECRET_FILE", str(tmp_path / "own"))
    place = AirflowPlace(tmp_path, "postgresql://127.0.0.1:1/airflow", 8080)
    assert find_webhook_secret(place) == tmp_path / "own"
    assert list(tmp_path.iterdir()) == []
