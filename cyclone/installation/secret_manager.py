"""Values of Google's Secret Manager, read by name. What names a secret holds none."""

import base64
import re
from functools import lru_cache

from cyclone.errors import ConfigurationError

ADDRESS = "https://secretmanager.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
REFERENCE = re.compile(r"projects/[^/\s]+/secrets/[^/\s]+(/versions/[^/\s]+)?")
# How long one secret may take. It is one small request, so seconds are plenty.
REQUEST_SECONDS = 30


def is_reference(value: str) -> bool:
    """Whether a value names a secret: `projects/P/secrets/S`, or one version of it.

    >>> is_reference("projects/p/secrets/dsn/versions/latest"), is_reference("postgresql://host/projects/secrets")
    (True, False)
    """
    return REFERENCE.fullmatch(value) is not None


@lru_cache
def read_secret(name: str, endpoint: str) -> str:
    """The value of a secret, of its newest version unless the name says which. A process asks once for each.

    An empty endpoint stands for Google's.
    Errors: `ConfigurationError` with the name and what Google said. The value is in no message.
    """
    import google.auth
    import requests
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import AuthorizedSession

    address = endpoint or ADDRESS
    version = name if "/versions/" in name else f"{name}/versions/latest"
    try:
        credentials, _ = google.auth.default(scopes=[SCOPE])
        with AuthorizedSession(credentials) as session:
            reply = session.get(f"{address}/v1/{version}:access", timeout=REQUEST_SECONDS)
    except GoogleAuthError as error:
        raise ConfigurationError(
            f"secret {name}: no credentials ({error}). Run `gcloud auth application-default login`, or attach a service"
            " account to this machine"
        ) from error
    except requests.RequestException as error:
        raise ConfigurationError(f"secret {name}: {address} does not answer: {error}") from error
    if reply.status_code != requests.codes.ok:
        raise ConfigurationError(f"secret {name}: {_explain(reply.status_code, name)} {_read_message(reply.text)}")
    return base64.b64decode(reply.json()["payload"]["data"]).decode()


def _explain(status: int, name: str) -> str:
    secret = name.partition("/versions/")[0].rpartition("/")[2]
    if status == 403:
        return f"refused. Give this account roles/secretmanager.secretAccessor on {secret}. Google says:"
    if status == 404:
        return (
            "it has no such version, or is not there. `terraform apply` makes it. The clients' bearer keys are added"
            f" with `gcloud secrets versions add {secret} --data-file=FILE`. Google says:"
        )
    return f"Secret Manager answered {status}. Try again. Google says:"


def _read_message(body: str) -> str:
    """The sentence of an error's answer, or its beginning where it has another form."""
    found = re.search(r'"message":\s*"((?:[^"\\]|\\.)*)"', body)
    return found[1] if found else body[:200]
