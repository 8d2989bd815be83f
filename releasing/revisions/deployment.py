"""The deployment configuration of an installation: what its revisions carry beside their image, in one YAML file.

Whatever it leaves out stays as the service has it, so Terraform or a person may set that. The file is checked before
anything is called.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from cyclone.errors import ConfigurationError
from cyclone.image_contract import RUNTIME_VARIABLES
from cyclone.sections.base import FromList, Section
from cyclone.sections.faults import load_yaml
from cyclone.settings import Settings

SECRET = re.compile(r"(projects/[^/\s]+/secrets/)?[A-Za-z0-9_-]{1,255}(/versions/(latest|\d+))?")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LABEL_KEY, LABEL_VALUE = re.compile(r"[a-z][a-z0-9_-]{0,62}"), re.compile(r"[a-z0-9_-]{0,63}")
MODEL_CONTAINER = "model"
"""The name of the container of the model where a revision has several."""


def _check_secrets(secrets: dict[str, str]) -> dict[str, str]:
    for variable, secret in secrets.items():
        if not VARIABLE.fullmatch(variable) or variable in RUNTIME_VARIABLES:
            raise ValueError(f"{variable!r} cannot be given. Cloud Run sets {', '.join(RUNTIME_VARIABLES)} itself")
        if not SECRET.fullmatch(secret):
            # Without the value: whoever errs here has most likely written the secret itself.
            raise ValueError(
                f"the value of {variable} names no secret. Write projects/PROJECT/secrets/NAME, and /versions/NUMBER"
                " behind it if needed"
            )
    return secrets


def _check_labels(labels: dict[str, str]) -> dict[str, str]:
    for key, value in labels.items():
        if not LABEL_KEY.fullmatch(key) or not LABEL_VALUE.fullmatch(value):
            raise ValueError(
                f"{key}: {value!r} is no label. A key begins with a lowercase letter. Keys and values have at most 63"
                " lowercase letters, digits, _ and -"
            )
    return labels


Secrets = Annotated[dict[str, str], AfterValidator(_check_secrets)]
Labels = Annotated[dict[str, str], AfterValidator(_check_labels)]


class Network(Section):
    """The way of a revision into a private network, by Direct VPC egress."""

    network: str = ""
    subnetwork: str = ""
    tags: Annotated[tuple[str, ...], FromList] = ()
    egress: Literal["private-ranges-only", "all-traffic"] = "private-ranges-only"

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if not self.network and not self.subnetwork:
            raise ValueError("neither network nor subnetwork is given. Name one of them")
        return self


class Sidecar(Section):
    """One more container of each instance, such as Cloud SQL's Auth Proxy. It gets no requests from outside."""

    name: Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
    image: Annotated[str, Field(min_length=1)]
    args: Annotated[tuple[str, ...], FromList] = ()
    env: dict[str, str] = Field(default_factory=dict)
    secrets: Secrets = Field(default_factory=dict)
    cpu: Annotated[str, Field(pattern=r"^[12468]$")] = "1"
    memory: Annotated[str, Field(pattern=r"^\d{1,12}(Mi|Gi)$")] = "512Mi"
    startup_port: Annotated[int | None, Field(ge=1, le=65535)] = None
    """The port that answers once it is ready. The model's container then starts after it."""

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        if self.name == MODEL_CONTAINER:
            raise ValueError(f"sidecar {self.name!r}: this is the name of the model's own container. Choose another")
        return self


class Deployment(Section):
    """What a revision carries beside its image. What is None or empty stays as the service has it."""

    service_account: Annotated[str | None, Field(pattern=r"^[^@\s]+@[^@\s]+\.gserviceaccount\.com$")] = None
    """The account that instances act as."""
    network: Network | None = None
    cloud_sql: Annotated[tuple[Annotated[str, Field(pattern=r"^[^\s]+:[a-z0-9-]+:[a-z0-9-]+$")], ...], FromList] = ()
    """The instances of Cloud SQL whose sockets are below `/cloudsql`, as `project:region:name`."""
    secrets: Secrets = Field(default_factory=dict)
    """The variables whose value is a secret, by name. A deployment then gives no value for them."""
    labels: Labels = Field(default_factory=dict)
    timeout_seconds: Annotated[int | None, Field(ge=1, le=3600)] = None
    startup_boost: bool | None = None
    """Whether an instance gets more CPU while it starts."""
    sidecars: Annotated[tuple[Sidecar, ...], FromList] = ()

    @model_validator(mode="after")
    def _check_sidecars(self) -> Self:
        names = [sidecar.name for sidecar in self.sidecars]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"sidecar {name!r} is given twice. Give each its own name")
        return self


class Installation(Deployment):
    """The deployment of all models, and what is different for some of them."""

    models: dict[str, Deployment] = Field(default_factory=dict)

    def of_model(self, model: str) -> Deployment:
        """The deployment of one model. What its own part states replaces what is stated for all."""
        own = self.models.get(model, Deployment())
        stated = {**_list_stated(self), **_list_stated(own)}
        return Deployment.model_validate({key: value for key, value in stated.items() if key != "models"})


def _list_stated(deployment: Deployment) -> dict[str, Any]:
    return {name: getattr(deployment, name) for name in deployment.model_fields_set}


def read_deployment(settings: Settings, model: str) -> Deployment:
    """The deployment of a model, from the file of CYCLONE_DEPLOYMENT_FILE. Without a file nothing is stated.

    Errors: `ConfigurationError` quoting the key, its value and what is allowed.
    """
    path = settings.deployment_file
    return Deployment() if path is None else read_installation(path).of_model(model)


def read_installation(path: Path) -> Installation:
    """The deployment configuration in a file. Errors: as `read_deployment`."""
    try:
        data = load_yaml(path)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: not readable: {error}. CYCLONE_DEPLOYMENT_FILE has to name the deployment configuration"
        ) from error
    try:
        return Installation.model_validate(data or {})
    except ValidationError as error:
        raise ConfigurationError(f"{path}: " + ". ".join(_describe(dict(each)) for each in error.errors())) from error


def _describe(error: dict[str, Any]) -> str:
    where = ".".join(map(str, error["loc"])) or "the file"
    if error["type"] == "extra_forbidden":
        allowed = ", ".join(sorted([*Deployment.model_fields, "models"]))
        return f"{where} is no key of a deployment. Known keys are {allowed}. Remove it or correct its spelling"
    said = error["msg"].removeprefix("Value error, ")
    # What stands below `secrets` may be a secret itself, so it is not shown.
    is_shown = error["type"] != "value_error" and "secrets" not in error["loc"]
    return f"{where} is {error['input']!r}: {said}" if is_shown else f"{where}: {said}"
