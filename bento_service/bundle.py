"""The bundle: the folder in an image with the model's spec, its fitted estimator, and the model's name and version."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bento_service.request import open_to_replay
from cyclone.calibration.correction import Calibration
from cyclone.errors import ConfigurationError
from cyclone.image_contract import (
    CALIBRATION_VARIABLE,
    MODEL_PATH,
    RELEASE_FILE,
    REVISION_VARIABLE,
    SPECS_FOLDER,
    THREADS_VARIABLE,
    TREES_KEY,
    TREES_PATH,
)
from cyclone.rows.trees import Trees
from cyclone.settings import read_settings
from cyclone.spec import ModelSpec, load_model_spec

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version of one model, as `training` packed it."""

    root: Path
    spec: ModelSpec
    version: int
    trusted_types: tuple[str, ...]
    """The types that the model file may hold, in addition to those that skops trusts."""
    link: str | None = None
    """The link of the estimator's trees, where the bundle holds them."""

    @property
    def revision(self) -> str:
        """The name of the revision, as Cloud Run says. Elsewhere it is made of the model's name and version."""
        return os.environ.get(REVISION_VARIABLE) or f"{self.spec.name.replace('_', '-')}-v{self.version}"

    def read_calibration(self) -> Calibration | None:
        """The calibration in `CYCLONE_CALIBRATION`, which corrects this revision's predictions. None when it is empty.

        Errors: `ConfigurationError` with the text, when it is no calibration of this model.
        """
        text = os.environ.get(CALIBRATION_VARIABLE, "")
        return Calibration.from_json(text).check(self.spec) if text else None

    def load_estimator(self) -> Any:
        """What predicts: the estimator's trees where the bundle holds them, else the fitted estimator.

        Trees spare the service scikit-learn.
        Errors: `ConfigurationError` when a file cannot be read, or holds a type that is not trusted.
        """
        if self.link is not None:
            return Trees.load(self.root / TREES_PATH, self.link, len(self.spec.features))
        # One thread, because one row gives a second thread nothing to do. Where cores are shared, waiting for the
        # second made the slowest answers slower by far.
        os.environ.setdefault(THREADS_VARIABLE, "1")
        import skops.io

        path = self.root / MODEL_PATH
        try:
            return skops.io.load(path, trusted=list(self.trusted_types))
        except (OSError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{path}: the estimator cannot be loaded. Build the version's image again: {error}"
            ) from error


def read_bundle(root: Path = ROOT) -> Bundle:
    """The bundle in `root`. Errors: `ConfigurationError` with the file and the key."""
    path = root / RELEASE_FILE
    try:
        release = json.loads(path.read_text())
        name, version = release["model"], release["version"]
        trusted, link = release.get("trusted_types", []), release.get(TREES_KEY)
    except OSError as error:
        raise ConfigurationError(f"{path}: the file cannot be read. Start the service in a packed bundle") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path}: an object with model and version is needed: {error!r}") from error
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ConfigurationError(f"{path}: version {version!r} must be a positive integer")
    spec = open_to_replay(load_model_spec(root / SPECS_FOLDER / str(name)), read_settings())
    return Bundle(root, spec, version, tuple(trusted), link)
