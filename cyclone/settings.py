"""Where the parts are: read once from `CYCLONE_*` environment variables."""

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cyclone.errors import ConfigurationError
from cyclone.image_contract import BENTOML_OPTIONS_VARIABLE, SPECS_FOLDER
from cyclone.places import find_home


class Settings(BaseSettings):
    """Endpoints and credentials; the code path is the same on a laptop and on Google Cloud."""

    model_config = SettingsConfigDict(env_prefix="CYCLONE_", frozen=True, extra="ignore")

    store_dsn: str = ""
    training_dsn: str = ""
    """Where training reads from: a replica or a separate store. Empty means `store_dsn`."""
    models_dir: Path = Field(default_factory=lambda: find_home() / SPECS_FOLDER)
    """One folder for each model. In a checkout it is the repository's, else `models` in the working directory."""
    work_dir: Path = Field(default_factory=lambda: find_home() / ".cyclone", validate_default=True)
    """Scratch space of a retraining: datasets, staged build contexts, validation pages."""
    spool_dir: Path | None = None
    """Where one serving instance keeps answered rows until they are in the store; empty means a temporary folder."""
    api_keys_file: Path | None = None
    """The file of the clients' bearer keys, as `cyclone keys` writes it. A deployment carries its content."""
    api_keys: str | None = None
    """That content itself, as a deployment carries it. Without both a service asks nobody for a key."""
    bentoml_options: str = Field(default="", validation_alias=BENTOML_OPTIONS_VARIABLE)
    """BentoML's own options, as a number of workers. A deployment passes them on."""
    mlflow_uri: str = Field(default="", validation_alias="MLFLOW_TRACKING_URI")
    cloud_run_endpoint: str = ""
    """The Admin API's address; empty means Google's, with application default credentials."""
    cloud_run_project: str = "local"
    cloud_run_location: str = "local"
    image_repository: str = ""
    """Where images go, as `europe-west1-docker.pkg.dev/project/cyclone`; empty means that an image is a Bento."""
    image_foundation: str = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
    """The image that base images are built upon: a Linux with this Python, bash, groupadd and CA certificates."""
    containers: bool = False
    """The local platform runs images as containers, from a registry of its own."""
    clock: Literal["wall", "replay"] = "wall"
    """`replay`: the present is the newest event time in the prediction log."""
    monitor_schedule: str = ""
    """A cron expression that replaces every model's own `monitor.schedule`; empty keeps them."""

    @field_validator("work_dir")
    @classmethod
    def refuse_variables(cls, work_dir: Path) -> Path:
        """Airflow and BentoML expand variables in the paths that they are given, and nothing quotes a `$` for them."""
        if "$" in str(work_dir.absolute()):
            raise ValueError("its path has a $, which Airflow and BentoML read as a variable: use another folder")
        return work_dir

    @property
    def training_store_dsn(self) -> str:
        return self.training_dsn or self.store_dsn


def read_settings() -> Settings:
    """The settings of this process. Errors: `ConfigurationError` naming the variable and its value."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "CYCLONE_" + str(first["loc"][0]).upper()
        raise ConfigurationError(f"{name}={str(first['input'])!r}: {first['msg']}") from error
