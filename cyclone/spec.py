"""`ModelSpec`: everything that varies per model, read from `models/<name>/model.yaml`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from cyclone.errors import ConfigurationError
from cyclone.image_contract import PIPELINE_FILE, SPEC_FILE
from cyclone.names import name_service
from cyclone.sections import (
    Feature,
    FromList,
    Label,
    Monitor,
    Name,
    Recalibrate,
    ReleaseRules,
    Retrain,
    Section,
    Serving,
)

Task = Literal["regression", "binary", "multiclass"]
DEFAULT_ERROR_CHECKS: dict[bool, dict[str, dict[str, float]]] = {
    True: {  # a regression
        "mean_absolute_error": {"limit": 2.25, "minimum_samples": 72},
        "bias": {"limit": 1.25, "minimum_samples": 72},
    },
    False: {"log_loss": {"limit": 1.75, "minimum_samples": 72}},
}
"""In multiples of the accepted error. An error alone has to be far above it to be no chance, for weeks differ; that all
predictions lie on one side of the labels is seen earlier. See benchmarks/monitoring_alarms.py."""
RESERVED_FEATURES = {"prediction", "label", "id", "created_at"}


class ModelSpec(Section):
    name: Name
    task: Task
    description: str = ""
    features: Annotated[tuple[Feature, ...], FromList] = Field(min_length=1)
    label: Label
    inputs: Literal["frame", "matrix"] = "frame"
    """What the estimator is given: a pandas frame, or, several times faster for one row, an array of float64 in
    which a category is its place in `values`, a boolean 0 or 1, and null NaN."""
    history: str | None = None
    """A CSV in the model's folder with `created_at`, the features and the label: what is known before Cyclone."""
    history_until: str | None = None
    """Rows before this date (ISO, UTC) train the first version; the rest can be replayed as traffic."""
    monitor: Monitor = Monitor()
    retrain: Retrain = Retrain()
    recalibrate: Recalibrate = Recalibrate()
    release: ReleaseRules = ReleaseRules()
    serving: Serving = Serving()

    @field_validator("history_until")
    @classmethod
    def _check_date(cls, value: str | None) -> str | None:
        try:
            datetime.fromisoformat(value or "2011-02-01")
        except ValueError as error:
            raise ValueError("an ISO date is needed, in quotes, e.g. '2011-02-01'") from error
        return value

    @model_validator(mode="before")
    @classmethod
    def _fill_error_check(cls, data: Any) -> Any:
        monitor = data.get("monitor", {}) if isinstance(data, dict) else None
        if isinstance(monitor, dict) and not monitor.get("error"):
            return {**data, "monitor": {**monitor, "error": DEFAULT_ERROR_CHECKS[data.get("task") == "regression"]}}
        return data

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [feature.name for feature in self.features]
        for feature in self.features:
            name = feature.name
            if names.count(name) > 1:
                raise ValueError(f"feature {name!r} is declared twice")
            if name in RESERVED_FEATURES or name == self.label.name:
                raise ValueError(
                    f"feature {name!r}: this name is taken (by the label, or one of {sorted(RESERVED_FEATURES)})"
                )
            if feature.type == "text" and self.inputs == "matrix":
                raise ValueError(f"feature {name!r} is text, which a matrix cannot hold; inputs: frame is needed")
        if self.task == "regression" and self.label.type not in ("integer", "number"):
            raise ValueError(f"label.type {self.label.type!r}: a regression needs integer or number")
        if self.task == "multiclass" and self.label.type != "category":
            raise ValueError(f"label.type {self.label.type!r}: a multiclass model needs category, with its values")
        if self.task == "binary" and self.label.type != "boolean":
            raise ValueError(f"label.type {self.label.type!r}: a binary model needs boolean")
        unknown = [name for name in self.retrain.slices if name not in names]
        if unknown:
            raise ValueError(f"retrain.slices names {unknown[0]!r}, which is no feature; features: {', '.join(names)}")
        for feature in self.features:
            if feature.name in self.retrain.slices and feature.type in ("number", "text"):
                raise ValueError(
                    f"retrain.slices names {feature.name!r}, a {feature.type}: hardly two rows share a value, so that"
                    " slice_margin would accept anything; allowed are category, boolean and integer"
                )
        for kind in self.retrain.triggering_checks:
            if not self.monitor.checks(kind):
                raise ValueError(
                    f"retrain.triggered_by names checks of kind {kind!r}, but monitor.{kind} has none: it could never"
                    " fire"
                )
        regression_only = self.recalibrate.method in ("ratio", "bias")
        if self.recalibrate.method != "auto" and regression_only != (self.task == "regression"):
            allowed = "ratio or bias" if self.task == "regression" else "prior_shift or temperature"
            raise ValueError(f"recalibrate.method {self.recalibrate.method!r}: a {self.task} takes {allowed}")
        return self

    @property
    def feature_names(self) -> list[str]:
        return [feature.name for feature in self.features]

    @property
    def service_name(self) -> str:
        """The model's service on Cloud Run, whose names have no underscore."""
        return name_service(self.name)

    @property
    def error_metric(self) -> str:
        """The metric that the gate and the error check compare: smaller is better."""
        return "mean_absolute_error" if self.task == "regression" else "log_loss"


def load_model_spec(folder: Path) -> ModelSpec:
    """Read `<folder>/model.yaml`. Errors: `ConfigurationError` quoting key, value and what is allowed."""
    path = folder / SPEC_FILE
    spec = read_model_yaml(path)
    if spec.name != folder.name:
        raise ConfigurationError(f"{path}: name {spec.name!r} must be the folder's name {folder.name!r}")
    if not (folder / PIPELINE_FILE).is_file():
        raise ConfigurationError(f"{folder / PIPELINE_FILE}: missing; it defines build_estimator() of {spec.name}")
    return spec


def read_model_yaml(path: Path) -> ModelSpec:
    """The spec in a file, wherever it is. Errors: `ConfigurationError` quoting key, value and what is allowed."""
    if not path.is_file():
        raise ConfigurationError(f"{path}: there is no such file; a model is a folder with a model.yaml")
    try:
        data = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigurationError(f"{path}: a mapping with name, task, features and label is needed")
    try:
        return ModelSpec.model_validate(data)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: " + "; ".join(_describe(error))) from error


def find_changed_spec(models_dir: Path, name: str, path: Path) -> ModelSpec:
    """Another configuration of a model. Errors: `ConfigurationError`, also when it is another model's."""
    spec = read_model_yaml(path)
    if spec.name != find_model(models_dir, name).name:
        raise ConfigurationError(f"{path}: name {spec.name!r} must be {name!r}: it is another model's configuration")
    return spec


def load_model_specs(models_dir: Path) -> tuple[list[ModelSpec], list[ConfigurationError]]:
    """Every model's spec, sorted by name, and what is wrong with the others: one broken model stops no other."""
    specs, errors = [], []
    for path in sorted(models_dir.glob(f"*/{SPEC_FILE}")):
        try:
            specs.append(load_model_spec(path.parent))
        except ConfigurationError as error:
            errors.append(error)
    return specs, errors


def replace_policy(spec: ModelSpec, path: Path) -> ModelSpec:
    """The same model with the `retrain` and `recalibrate` of a YAML file. Errors: `ConfigurationError` quoting it."""
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: no readable YAML: {error}") from error
    if not isinstance(data, dict) or not data or not data.keys() <= {"retrain", "recalibrate"}:
        shown = sorted(map(str, data)) if isinstance(data, dict) else data
        raise ConfigurationError(f"{path}: the keys are retrain and recalibrate; there are {shown}")
    try:
        return ModelSpec.model_validate({**spec.model_dump(exclude=set(data)), **data})
    except ValidationError as error:
        raise ConfigurationError(f"{path}: " + "; ".join(_describe(error))) from error


def find_model(models_dir: Path, name: str) -> ModelSpec:
    """The spec of one model. Errors: `ConfigurationError` naming the models there are."""
    if not (models_dir / name / SPEC_FILE).is_file():
        known = ", ".join(sorted(path.parent.name for path in models_dir.glob(f"*/{SPEC_FILE}"))) or "none"
        raise ConfigurationError(f"model {name!r} is not in {models_dir}; models there: {known}")
    return load_model_spec(models_dir / name)


def _describe(error: ValidationError) -> list[str]:
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "model"
        if item["type"] == "extra_forbidden":
            lines.append(f"{key}: unknown key (value {item['input']!r}); see docs/bring-a-model.md for the keys")
        elif item["type"] == "missing":
            lines.append(f"{key}: missing")
        else:
            value = item["input"]
            shown = "" if isinstance(value, dict) else f" (value {value!r})"
            lines.append(f"{key}: {item['msg'].removeprefix('Value error, ')}{shown}")
    return lines
