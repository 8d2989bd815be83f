"""Where the webhooks of this platform answer, and the secret that alerts are signed with."""

import secrets
from pathlib import Path

from cyclone.settings import read_settings
from local_platform.airflow import AirflowPlace, keep_secret

SECRET_BYTES = 32
"""The random bytes of a secret. 32 are as many as a signature of SHA-256 has, and cannot be guessed."""


def find_webhook_secret(place: AirflowPlace) -> Path:
    """The file of the secret: the user's own, or one of this platform, drawn once and readable to its owner alone."""
    own = read_settings().webhook_secret_file
    if own is not None:
        return own.absolute()
    path = place.home / "webhook-secret"
    keep_secret(path, secrets.token_urlsafe(SECRET_BYTES))
    return path


def describe_webhook(place: AirflowPlace) -> str:
    """Where Grafana sends alerts to, and which file has the secret that it signs them with."""
    return f"{place.address}/cyclone/webhooks/grafana, signed with the secret in {find_webhook_secret(place)}"
