"""The environment variables of a revision. An instance gets these and inherits no others."""

import secrets
import time
from collections.abc import Callable, Mapping

from cyclone.calibration.correction import Calibration
from cyclone.errors import ReleaseError
from cyclone.image_contract import (
    API_KEYS_VARIABLE,
    BENTOML_OPTIONS_VARIABLE,
    CALIBRATION_VARIABLE,
    CLOCK_VARIABLE,
    REHEARSAL_TOKEN_VARIABLE,
    STORE_DSN_VARIABLE,
)
from cyclone.keys import pack_keys
from cyclone.releases import current_release
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.telemetry import SERVING_SWITCHES
from releasing.cloud_run import CloudRun

# How long the one request waits for its answer. The revision is ready, so seconds are plenty.
REQUEST_SECONDS = 30
# A rehearsal follows its deployment within minutes. A day lets a person clear its task after a night.
TOKEN_SECONDS = 24 * 3600
UNAUTHORIZED, FORBIDDEN = 401, 403
"""The answers to a client without a key, by the service, and without the right to call it, by Cloud Run before it."""


def build_environment(settings: Settings, keys: str, calibration: Calibration | None = None) -> dict[str, str]:
    """The variables of a new revision, by name.

    A variable without a value is left out, because one that is set and empty counts as broken.
    """
    told = {
        STORE_DSN_VARIABLE: settings.store_dsn,
        API_KEYS_VARIABLE: keys,
        CALIBRATION_VARIABLE: calibration.to_json() if calibration else "",
        REHEARSAL_TOKEN_VARIABLE: draw_token(),
        BENTOML_OPTIONS_VARIABLE: settings.bentoml_options,
        CLOCK_VARIABLE: settings.clock if settings.clock != "wall" else "",
        **SERVING_SWITCHES,
    }
    return {name: value for name, value in told.items() if value}


def draw_token() -> str:
    """A token for the rehearsal of a new revision, and behind a dot the Unix time at which it ends."""
    return f"{secrets.token_urlsafe()}.{int(time.time()) + TOKEN_SECONDS}"


def find_keys(settings: Settings, spec: ModelSpec) -> str:
    """The keys that a new revision asks clients for, or an empty text if there are none.

    They are the keys configured here, or else those of the revision that serves. So a deployment without the setting
    never opens a service that asks for keys.
    Errors: `ConfigurationError` when the configured keys cannot be read.
    """
    if keys := pack_keys(settings):
        return keys
    champion = current_release(Store(settings.store_dsn), spec.name)
    return read_keys_of(settings, spec, champion.revision) if champion else ""


def read_keys_of(settings: Settings, spec: ModelSpec, revision: str) -> str:
    """The keys that a revision was deployed with. The text is empty if it has none or does not exist."""
    return CloudRun(settings).read_variable(spec.service_name, revision, API_KEYS_VARIABLE)


def check_keys_are_asked_for(
    keys: str, revision: str, address: str, caller: Callable[[], Mapping[str, str]] = dict
) -> None:
    """Check with one request that a revision with keys refuses a client without one. Without keys nothing is asked.

    `caller` gives the headers of a request that Cloud Run's access control lets pass.
    Errors: `ReleaseError` when the revision does not refuse, or does not answer.
    """
    import requests

    if not keys:
        return
    try:
        reply = requests.post(f"{address}/predict", json={"rows": []}, headers=caller(), timeout=REQUEST_SECONDS)
    except requests.RequestException as error:
        raise ReleaseError(
            f"revision {revision} at {address} does not answer. Look at the logs of this revision: {error}"
        ) from error
    if reply.status_code == FORBIDDEN:
        raise ReleaseError(
            f"revision {revision} at {address} is not reached: Cloud Run's access control refuses the caller. Give the"
            f" account of the release roles/run.invoker on the service. Cloud Run says: {reply.text[:200]}"
        )
    if reply.status_code != UNAUTHORIZED:
        raise ReleaseError(
            f"revision {revision} answers {reply.status_code} to a request without a key, although it was given keys."
            f" Its image does not know {API_KEYS_VARIABLE}. Retrain with `cyclone retrain` and the model's name, so"
            " that it gets an image of today's code"
        )
