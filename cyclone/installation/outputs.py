"""The settings of an installation, from the outputs of Terraform."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclone.errors import ConfigurationError
from cyclone.image_contract import API_KEYS_VARIABLE, STORE_DSN_VARIABLE


@dataclass(frozen=True, slots=True)
class Output:
    """What an output of terraform/ becomes: the value of a variable, or the value of the secret that it names."""

    variable: str
    is_secret: bool = False
    is_required: bool = True
    """Whether every installation has it. Composer has no keys of ours for Airflow, and bearer keys are a choice."""


OUTPUTS = {
    "project": Output("CYCLONE_CLOUD_RUN_PROJECT"),
    "region": Output("CYCLONE_CLOUD_RUN_LOCATION"),
    "image_repository": Output("CYCLONE_IMAGE_REPOSITORY"),
    "handover_url": Output("CYCLONE_HANDOVER_URL"),
    "mlflow_uri": Output("MLFLOW_TRACKING_URI"),
    "store_dsn_secret": Output(STORE_DSN_VARIABLE, is_secret=True),
    "training_dsn_secret": Output("CYCLONE_TRAINING_DSN", is_secret=True),
    # The name stays a name: keys are JSON, which no line of an env file holds, and are read anew by each process.
    "api_keys_secret": Output(API_KEYS_VARIABLE, is_required=False),
    "airflow_dsn_secret": Output("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", is_secret=True, is_required=False),
    "airflow_fernet_key_secret": Output("AIRFLOW__CORE__FERNET_KEY", is_secret=True, is_required=False),
    "airflow_jwt_key_secret": Output("AIRFLOW__API_AUTH__JWT_SECRET", is_secret=True, is_required=False),
}
"""The outputs that are settings."""
FOR_PEOPLE = frozenset(
    {
        "airflow_address",
        "dag_bucket",
        "grafana_url",
        "migrations_job",
        "platform_repository",
        "python_repository",
        "service_accounts",
        "service_urls",
        "work_bucket",
    }
)
"""The outputs that people read. No setting comes of them."""
REMEDY = (
    "The outputs are those of terraform/examples/minimal of this version of Cyclone. Apply them, then run"
    " `terraform output -json` again"
)
# A shell, systemd and Docker read a value without any of these characters in the same way.
UNQUOTED = re.compile(r"[^\s'\"\\$`&;|<>()#*!{}\[\]~]+")
ReadSecret = Callable[[str], str]


def read_outputs(path: Path) -> dict[str, str]:
    """The outputs of a file that are settings, by name. Those without a value are left out.

    Errors: `ConfigurationError` naming the file, and each output that is missing, unknown or no text.
    """
    document = _read_document(path)
    values = {name: item.get("value") if isinstance(item, dict) else None for name, item in document.items()}
    if unknown := sorted(set(values) - set(OUTPUTS) - FOR_PEOPLE):
        raise ConfigurationError(
            f"{path}: this version of Cyclone knows no output {_list(unknown)}. Known are"
            f" {_list(sorted({*OUTPUTS, *FOR_PEOPLE}))}. {REMEDY}"
        )
    if missing := [name for name, item in OUTPUTS.items() if item.is_required and not values.get(name)]:
        raise ConfigurationError(f"{path}: without output {_list(missing)}. {REMEDY}")
    settings: dict[str, str] = {}
    for name in OUTPUTS:
        value = values.get(name)
        if value is not None and not isinstance(value, str):
            raise ConfigurationError(f"{path}: output {name} is {json.dumps(value)}, and a text is needed. {REMEDY}")
        if value:
            settings[name] = value
    return settings


def find_settings(outputs: Mapping[str, str], read_secret: ReadSecret) -> dict[str, str]:
    """The variables of the environment, by name. Secrets are asked for, and nothing is written."""
    found = {}
    for name, value in outputs.items():
        output = OUTPUTS[name]
        setting = read_secret(value) if output.is_secret else value
        if UNQUOTED.fullmatch(setting) is None:
            raise ConfigurationError(
                f"output {name}: the value for {output.variable} is empty, or has a space, a quote or another character"
                " that a shell reads. Give it without, and a password percent-encoded"
            )
        found[output.variable] = setting
    return found


def write_settings(path: Path, settings: Mapping[str, str]) -> None:
    """Write an env file that only its owner can read, in one step: the old one stays until the new one is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # its mode is 600
    try:
        with os.fdopen(handle, "w") as file:
            file.writelines(f"{variable}={value}\n" for variable, value in settings.items())
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _read_document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path}: not readable as JSON: {error}. Write `terraform output -json` to it"
        ) from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path}: an object of outputs is needed. Write `terraform output -json` to it")
    return document


def _list(names: list[str]) -> str:
    return ", ".join(names)
