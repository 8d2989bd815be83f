"""The secrets of the stack are drawn once, each readable for who needs it."""

import base64
import json
from pathlib import Path

from local_platform.compose.secret_files import draw_secrets, read_role_password


def read_all(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_every_secret_is_drawn_once_and_stays(tmp_path: Path) -> None:
    draw_secrets(tmp_path)
    drawn = read_all(tmp_path)
    assert set(drawn) == {
        *("airflow/fernet-key", "airflow/jwt-secret", "airflow/logins.json", "airflow/pgpass", "airflow/secret-key"),
        *("airflow/webhook-secret", "grafana/admin-password", "grafana/store-password", "grafana/webhook-secret"),
        *("mlflow/pgpass", "postgres/password", "postgres/pgpass", "store/pgpass"),
    }
    draw_secrets(tmp_path)
    assert read_all(tmp_path) == drawn
    assert drawn["grafana/webhook-secret"] == drawn["airflow/webhook-secret"]
    same = {"grafana/webhook-secret", "postgres/pgpass"}
    assert len({text for name, text in drawn.items() if name not in same}) == len(drawn) - len(same)
    assert len(base64.urlsafe_b64decode(drawn["airflow/fernet-key"])) == 32
    assert len(json.loads(drawn["airflow/logins.json"])["admin"]) == 32
    assert read_role_password(tmp_path / "postgres" / "pgpass") == drawn["postgres/password"]
    assert drawn["store/pgpass"].startswith("*:*:*:cyclone:")


def test_only_what_another_account_needs_is_open_to_our_group(tmp_path: Path) -> None:
    """libpq ignores a password file that others than its owner can read."""
    draw_secrets(tmp_path)
    modes = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777 for path in tmp_path.glob("*/*")}
    shared = {"grafana/admin-password", "grafana/store-password", "grafana/webhook-secret", "postgres/password"}
    assert {name for name, mode in modes.items() if mode == 0o440} == shared
    assert {mode for name, mode in modes.items() if name not in shared} == {0o600}
