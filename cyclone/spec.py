"""The model spec: everything that differs between models, read from `models/<name>/model.yaml`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

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
    Webhook,
)
from cyclone.sections.faults import describe_faults, describe_keys, read_yaml
from cyclone.wording import cut

Task = Literal["regression", "binary", "multiclass"]
DEFAULT_ERROR_CHECKS: dict[bool, dict[str, dict[str, float]]] = {
    True: {  # a regression
        "mean_absolute_error": {"limit": 2.25, "minimum_samples": 72},
        "bias": {"limit": 1.25, "minimum_samples": 72},
    },
    False: {"log_loss": {"limit": 1.75, "minimum_samples": 72}},
}
"""The error checks of a model that names none, by whether it is a regression.

Limits are multiples of the accepted error. Weeks differ by chance, so an error has to be far above the accepted one to
be no chance. That all predictions lie on one side of the labels shows earlier, so the limit of `bias` is lower.
benchmarks/monitoring_alarms.py measures the alarms that these limits give.
"""
RESERVED_FEATURES = {"prediction", "label", "id", "created_at"}
"""Names that a feature must not have, because tables and files use them for columns of their own."""


class ModelSpec(Section):
    """One model: its task, inputs and label, and its rules of monitoring, retraining, releasing, serving and alerts."""

    name: Name
    task: Task
    description: str = ""
    features: Annotated[tuple[Feature, ...], FromList] = Field(min_length=1)
    label: Label
    inputs: Literal["frame", "matrix"] = "frame"
    """What the estimator is given.

    `frame` is a pandas DataFrame. `matrix` is an array of float64, several times faster for one row. In it a category
    is its place in `values`, a boolean is 0 or 1, and null is NaN.
    """
    history: str | None = None
    """A CSV or Parquet file in the model's folder with the rows that were known before Cyclone.

    Its columns are `created_at`, the features and the label.
    """
    history_until: str | None = None
    """The ISO date, in UTC, before which rows train the first version. Later rows can be replayed as traffic."""
    trusted_types: Annotated[tuple[str, ...], FromList] = ()
    """Types that the model's file may hold, by their full names, beyond those that Cyclone knows of scikit-learn.

    A service runs the code of these types when it loads the file. Training names the types that are missing here.
    """
    monitor: Monitor = Monitor()
    retrain: Retrain = Retrain()
    recalibrate: Recalibrate = Recalibrate()
    release: ReleaseRules = ReleaseRules()
    serving: Serving = Serving()
    webhook: Webhook = Webhook()

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
                raise ValueError(f"feature {name!r} is text, which a matrix cannot hold: set inputs: frame")
        if self.task == "regression" and self.label.type not in ("integer", "number"):
            raise ValueError(f"label.type {self.label.type!r}: a regression needs integer or number")
        if self.task == "multiclass" and self.label.type != "category":
            raise ValueError(f"label.type {self.label.type!r}: a multiclass model needs category, with its values")
        if self.task == "binary" and self.label.type != "boolean":
            raise ValueError(f"label.type {self.label.type!r}: a binary model needs boolean")
        unknown = [name for name in self.retrain.slices if name not in names]
        if unknown:
            raise ValueError(
                f"retrain.slices names {unknown[0]!r}, which is no feature. Features are {', '.join(names)}"
            )
        for feature in self.features:
            if feature.name in self.retrain.slices and feature.type in ("number", "text"):
                raise ValueError(
                    f"retrain.slices names {feature.name!r}, a {feature.type}: hardly two rows share a value, so that"
                    " slice_margin would accept anything. Allowed are category, boolean and integer"
                )
        for kind in self.retrain.triggering_checks:
            if not self.monitor.checks(kind):
                raise ValueError(
                    f"retrain.triggered_by names checks of kind {kind!r}, but monitor.{kind} has none: it could never"
                    " fire"
                )
        self._check_rhythm()
        regression_only = self.recalibrate.method in ("ratio", "bias")
        if self.recalibrate.method != "auto" and regression_only != (self.task == "regression"):
            allowed = "ratio or bias" if self.task == "regression" else "shift_and_slope, prior_shift or temperature"
            raise ValueError(f"recalibrate.method {self.recalibrate.method!r}: a {self.task} takes {allowed}")
        return self

    def _check_rhythm(self) -> None:
        """Refuse a rhythm of labels with which nothing could ever be trained or fitted."""
        wait, retrain = self.label.wait_days, self.retrain
        rhythm = f"label.expected_delay_hours {self.label.expected_delay_hours:g}"
        rhythm += f" with load_every_days {self.label.load_every_days}" if self.label.load_every_days else ""
        needed = retrain.holdout_days + retrain.folds
        if isinstance(retrain.window_days, int) and retrain.window_days - wait < needed:
            raise ValueError(
                f"{rhythm} leaves {max(0, retrain.window_days - wait)} labelled days of retrain.window_days"
                f" {retrain.window_days}, and holdout_days {retrain.holdout_days} with folds {retrain.folds} need"
                f" {needed}: it could never train. Set window_days to {needed + wait} or more"
            )

    @property
    def feature_names(self) -> list[str]:
        """The names of the features, in the order of `model.yaml`."""
        return [feature.name for feature in self.features]

    @property
    def service_name(self) -> str:
        """The name of the model's service on Cloud Run."""
        return name_service(self.name)

    @property
    def error_metric(self) -> str:
        """The metric that the gate and the error trigger compare. Smaller is better."""
        return "mean_absolute_error" if self.task == "regression" else "log_loss"


def load_model_spec(folder: Path) -> ModelSpec:
    """The spec of the model in a folder, from its `model.yaml`.

    Errors: `ConfigurationError` quoting the key, its value and what is allowed, or naming the file that is missing.
    """
    path = folder / SPEC_FILE
    spec = read_model_yaml(path)
    if spec.name != folder.name:
        raise ConfigurationError(f"{path}: name {spec.name!r} must be the folder's name {folder.name!r}")
    if not (folder / PIPELINE_FILE).is_file():
        raise ConfigurationError(
            f"{folder / PIPELINE_FILE}: missing. It has to define build_estimator() of {spec.name}"
        )
    return spec


def read_model_yaml(path: Path) -> ModelSpec:
    """The spec in a YAML file of any place.

    Errors: `ConfigurationError` quoting the key, its value and what is allowed.
    """
    if not path.is_file():
        raise ConfigurationError(f"{path}: there is no such file. A model is a folder with a model.yaml")
    data = read_yaml(path)
    try:
        return ModelSpec.model_validate(data)
    except ValidationError as error:
        raise ConfigurationError(describe_faults(path, error)) from error


def find_changed_spec(models_dir: Path, name: str, path: Path) -> ModelSpec:
    """The spec of a model from another file than its own.

    Errors: `ConfigurationError` if the file is not usable, or configures another model.
    """
    spec = read_model_yaml(path)
    if spec.name != find_model(models_dir, name).name:
        raise ConfigurationError(f"{path}: name {spec.name!r} must be {name!r}: it is another model's configuration")
    return spec


def load_model_specs(models_dir: Path) -> tuple[list[ModelSpec], list[ConfigurationError]]:
    """The specs of all models, sorted by name, and the errors of the models that cannot be used.

    A broken model does not stop the others.
    """
    specs, errors = [], []
    for path in sorted(models_dir.glob(f"*/{SPEC_FILE}")):
        try:
            specs.append(load_model_spec(path.parent))
        except ConfigurationError as error:
            errors.append(error)
    return specs, errors


def replace_policy(spec: ModelSpec, path: Path) -> ModelSpec:
    """The spec with the sections `retrain` and `recalibrate` of another YAML file.

    Errors: `ConfigurationError` naming the file and what is wrong in it.
    """
    data = read_yaml(path)
    if not data or not data.keys() <= {"retrain", "recalibrate"}:
        shown = sorted(map(str, data))
        raise ConfigurationError(f"{path}: the allowed keys are retrain and recalibrate, and it has {shown}")
    try:
        return ModelSpec.model_validate({**spec.model_dump(exclude=set(data)), **data})
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {describe_keys(error)}") from error


def find_model(models_dir: Path, name: str) -> ModelSpec:
    """The spec of one model. Errors: `ConfigurationError` naming the models that exist."""
    if not _has_folder(models_dir, name):
        known = ", ".join(sorted(path.parent.name for path in models_dir.glob(f"*/{SPEC_FILE}"))) or "none"
        raise ConfigurationError(f"model {cut(name)!r} is not in {models_dir}. Models there: {known}")
    return load_model_spec(models_dir / name)


def _has_folder(models_dir: Path, name: str) -> bool:
    """Whether a model has a folder of exactly this name, and not one that a path such as `name/` leads to."""
    try:
        return Path(name).name == name and (models_dir / name / SPEC_FILE).is_file()
    except OSError:  # a name that is longer than one of a file may be
        return False
