"""Settings: the addresses, folders and credentials of a process, from `CYCLONE_*` environment variables."""

import re
import sys
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cyclone.errors import ConfigurationError
from cyclone.image_contract import BENTOML_OPTIONS_VARIABLE, SPECS_FOLDER
from cyclone.installation.secret_manager import is_reference, read_secret
from cyclone.places import find_home


class Settings(BaseSettings):
    """The settings of a process. Only they differ between a laptop and Google Cloud. The code is the same."""

    model_config = SettingsConfigDict(env_prefix="CYCLONE_", frozen=True, extra="ignore")

    secret_manager_endpoint: str = ""
    """The address of Secret Manager, for settings that name a secret. Empty means Google's."""
    store_dsn: str = ""
    training_dsn: str = ""
    """The store that training reads from, such as a replica. Empty means `store_dsn`."""
    models_dir: Path = Field(default_factory=lambda: find_home() / SPECS_FOLDER)
    """The folder with one folder a model. By default it is `models` in the checkout or in the working directory."""
    work_dir: Path = Field(default_factory=lambda: find_home() / ".cyclone", validate_default=True)
    """The folder for the files of a retraining: datasets, build contexts and validation pages."""
    handover_url: str = ""
    """Where tasks hand files to each other: an address of fsspec, as `gs://bucket/folder`, `s3://…` or `file:///…`.

    Empty means `work_dir`, which all workers then have to share.
    """
    spool_dir: Path | None = None
    """The folder in which one serving instance keeps answered rows until they are stored.

    Empty means a temporary folder.
    """
    api_keys_file: Path | None = None
    """The file of the clients' bearer keys, as `cyclone keys` writes it. A deployment carries its content."""
    api_keys: str | None = None
    """The content of such a file, as a deployment carries it. Without file and content nobody needs a key."""
    webhook_secret_file: Path | None = None
    """The file of the secret that Grafana signs its alerts with. Airflow's API server reads it."""
    messages_file: Path | None = None
    """The file that says how people are told of incidents, holds and releases. Without it nobody is told."""
    bentoml_options: str = Field(default="", validation_alias=BENTOML_OPTIONS_VARIABLE)
    """Options of BentoML itself, such as the number of workers. A deployment passes them on."""
    mlflow_uri: str = Field(default="", validation_alias="MLFLOW_TRACKING_URI")
    cloud_run_endpoint: str = ""
    """The address of Cloud Run's Admin API. Empty means Google's, with application default credentials."""
    deployment_file: Path | None = None
    """The file with what revisions carry beside their image. Empty means that all of it stays as a service has it."""
    cloud_run_project: str = "local"
    cloud_run_location: str = "local"
    image_repository: str = ""
    """The repository of images, such as `europe-west1-docker.pkg.dev/project/cyclone`. Empty means Bentos instead."""
    image_foundation: str = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
    """The image that base images are built on. It needs this Python, bash, groupadd and CA certificates."""
    containers: bool = False
    """Whether the local platform runs images as containers, from a registry of its own."""
    clock: Literal["wall", "replay"] = "wall"
    """The present time. In a `replay` it is the newest event time that was replayed into the prediction log."""
    monitor_schedule: str = ""
    """A cron expression in place of every model's own `monitor.schedule`. Empty keeps the models' own."""

    @field_validator("work_dir")
    @classmethod
    def refuse_variables(cls, work_dir: Path) -> Path:
        """Refuse a path with a `$`. Airflow and BentoML expand variables in paths, and nothing quotes the `$`."""
        if "$" in str(work_dir.absolute()):
            raise ValueError("its path has a $, which Airflow and BentoML read as a variable: use another folder")
        return work_dir

    @field_validator("handover_url")
    @classmethod
    def refuse_other_places(cls, handover_url: str) -> str:
        """Refuse what is no address below a bucket or a root folder."""
        if handover_url and re.fullmatch(r"(gs|s3)://[^/]+(/.*)?|file:///.+", handover_url) is None:
            raise ValueError("an address as gs://bucket/folder, s3://bucket/folder or file:///folder is needed")
        return handover_url

    @field_validator("store_dsn", "training_dsn", "api_keys")
    @classmethod
    def read_reference(cls, value: str | None, info: ValidationInfo) -> str | None:
        """The value of a secret where its name is given. Composer has no other way to hand a secret over."""
        if value is None or not is_reference(value):
            return value
        return read_secret(value, info.data["secret_manager_endpoint"])

    @property
    def training_store_dsn(self) -> str:
        """The DSN of the store that training reads from."""
        return self.training_dsn or self.store_dsn


def read_settings() -> Settings:
    """The settings of this process. Errors: `ConfigurationError` naming the variable and its value."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "CYCLONE_" + str(first["loc"][0]).upper()
        raise ConfigurationError(f"{name}={str(first['input'])!r}: {first['msg']}") from error
