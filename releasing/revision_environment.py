"""The environment of a revision: everything that it is told. An instance inherits nothing beside it."""

import secrets

from cyclone.calibration.correction import Calibration
from cyclone.errors import ReleaseError
from cyclone.image_contract import (
    API_KEYS_VARIABLE,
    BENTOML_OPTIONS_VARIABLE,
    CALIBRATION_VARIABLE,
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

REQUEST_SECONDS = 30
REFUSED = (401, 403)
"""What a service answers to a request without a key, or Cloud Run's own access control in front of it."""


def build_environment(settings: Settings, keys: str, calibration: Calibration | None = None) -> dict[str, str]:
    """The variables of a deployment. One without a value is left out: what is set and empty counts as broken."""
    told = {
        STORE_DSN_VARIABLE: settings.store_dsn,
        API_KEYS_VARIABLE: keys,
        CALIBRATION_VARIABLE: calibration.to_json() if calibration else "",
        REHEARSAL_TOKEN_VARIABLE: secrets.token_urlsafe(),
        BENTOML_OPTIONS_VARIABLE: settings.bentoml_options,
        **SERVING_SWITCHES,
    }
    return {name: value for name, value in told.items() if value}


def find_keys(settings: Settings, spec: ModelSpec) -> str:
    """The keys that a new revision asks for: those configured here, else those of the revision that serves.

    Whoever deploys without the setting so never opens a service that asks for keys. Empty: there are none.
    Errors: `ConfigurationError` when the keys that are configured cannot be read.
    """
    if keys := pack_keys(settings):
        return keys
    champion = current_release(Store(settings.store_dsn), spec.name)
    return read_keys_of(settings, spec, champion.revision) if champion else ""


def read_keys_of(settings: Settings, spec: ModelSpec, revision: str) -> str:
    """The keys that a revision was deployed with; empty without keys or without the revision."""
    return CloudRun(settings).read_variable(spec.service_name, revision, API_KEYS_VARIABLE)


def check_keys_are_asked_for(keys: str, revision: str, address: str) -> None:
    """Errors: `ReleaseError` when a revision that was given keys answers without one, or does not answer."""
    import requests

    if not keys:
        return
    try:
        reply = requests.post(f"{address}/predict", json={"rows": []}, timeout=REQUEST_SECONDS)
    except requests.RequestException as error:
        raise ReleaseError(f"revision {revision} at {address} does not answer: {error}") from error
    if reply.status_code not in REFUSED:
        raise ReleaseError(
            f"revision {revision} answers {reply.status_code} to a request without a key, although it was given keys:"
            f" its image does not know {API_KEYS_VARIABLE}. Retrain, so that the model gets an image of today's code"
        )
