"""The secrets of the stack: files in volumes, drawn once. Each volume is mounted only where it is needed.

A password of Postgres is in a file of the form of libpq's password file. A DSN then names the file and holds no secret.
"""

import base64
import json
import secrets
from pathlib import Path

from local_platform.airflow import keep_secret

SECRETS_DIR = Path("/run/cyclone")
"""Where the volumes of secrets are, in every container that has one of them."""
ROLES = {"store": "cyclone", "mlflow": "mlflow", "airflow": "airflow"}
"""The role of each part that keeps tables. Its database has the same name, and the part has a volume of secrets."""
ADMINISTRATOR = "postgres"
"""The role that makes the others. Only Postgres itself and the preparation of the databases get its password."""
ADMIN = "admin"
"""The user of Airflow who may do everything."""
PASSWORD_BYTES = 24
"""The random bytes of a password. 24 cannot be guessed."""
FOR_OTHERS = 0o440
"""Files for the containers of Postgres and Grafana. They run as another account in our group."""


def draw_secrets(folder: Path = SECRETS_DIR) -> None:
    """Write every secret that is not there yet. What is there stays, so it is safe to run twice."""
    for owner, role in ROLES.items():
        keep_secret(folder / owner / "pgpass", write_pgpass_line(role, draw_password()))
    administrator = keep_secret(folder / "postgres" / "password", draw_password())
    keep_secret(folder / "postgres" / "pgpass", write_pgpass_line(ADMINISTRATOR, administrator))
    keep_secret(folder / "airflow" / "fernet-key", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    keep_secret(folder / "airflow" / "secret-key", draw_password())
    keep_secret(folder / "airflow" / "jwt-secret", secrets.token_urlsafe(64))  # HS512 wants as many bytes
    keep_secret(folder / "airflow" / "logins.json", json.dumps({ADMIN: draw_password()}))
    webhook = keep_secret(folder / "airflow" / "webhook-secret", draw_password())
    for path, drawn in (
        (folder / "postgres" / "password", administrator),
        (folder / "grafana" / "store-password", draw_password()),
        (folder / "grafana" / "admin-password", draw_password()),
        (folder / "grafana" / "webhook-secret", webhook),
    ):
        keep_secret(path, drawn)
        path.chmod(FOR_OTHERS)


def draw_password() -> str:
    """A new password of letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def write_pgpass_line(role: str, password: str) -> str:
    """The line by which libpq finds a role's password, on whatever port the server listens."""
    return f"*:*:*:{role}:{password}\n"


def read_role_password(path: Path) -> str:
    """The password in a file of libpq's form."""
    return path.read_text().strip().rpartition(":")[2]
