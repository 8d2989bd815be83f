"""The bundle: the folder that an image holds, with the model's spec, its fitted estimator and what it is called."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclone.calibration.correction import Calibration
from cyclone.errors import ConfigurationError
from cyclone.image_contract import (
    CALIBRATION_VARIABLE,
    MODEL_PATH,
    RELEASE_FILE,
    REVISION_VARIABLE,
    SPECS_FOLDER,
    THREADS_VARIABLE,
)
from cyclone.spec import ModelSpec, load_model_spec

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version of one model, as packed by the training side."""

    root: Path
    spec: ModelSpec
    version: int
    trusted_types: tuple[str, ...]
    """The types that the model file may hold beyond those that skops trusts by itself."""

    @property
    def revision(self) -> str:
        """The revision that Cloud Run says this is, or the one that it would be called."""
        return os.environ.get(REVISION_VARIABLE) or f"{self.spec.name.replace('_', '-')}-v{self.version}"

    def read_calibration(self) -> Calibration | None:
        """What this revision corrects predictions by, from `CYCLONE_CALIBRATION`; None when it is empty.

        Errors: `ConfigurationError` quoting what is no calibration of this model.
        """
        text = os.environ.get(CALIBRATION_VARIABLE, "")
        return Calibration.from_json(text).check(self.spec) if text else None

    def load_estimator(self) -> Any:
        """The fitted estimator. Errors: `ConfigurationError` when its file holds a type nobody trusted."""
        # One row gives a second thread nothing to do: where cores are shared, waiting for it made the slowest
        # answers slower by far.
        os.environ.setdefault(THREADS_VARIABLE, "1")
        import skops.io

        path = self.root / MODEL_PATH
        try:
            return skops.io.load(path, trusted=list(self.trusted_types))
        except (OSError, TypeError, ValueError) as error:
            raise ConfigurationError(f"{path}: the estimator cannot be loaded: {error}") from error


def read_bundle(root: Path = ROOT) -> Bundle:
    """The bundle in `root`. Errors: `ConfigurationError` naming the file and the key."""
    path = root / RELEASE_FILE
    try:
        release = json.loads(path.read_text())
        name, version = release["model"], release["version"]
        trusted = release.get("trusted_types", [])
    except OSError as error:
        raise ConfigurationError(f"{path}: not readable; the service runs from a packed bundle") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path}: an object with model and version is needed: {error!r}") from error
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ConfigurationError(f"{path}: version {version!r} must be a positive integer")
    return Bundle(root, load_model_spec(root / SPECS_FOLDER / str(name)), version, tuple(trusted))
