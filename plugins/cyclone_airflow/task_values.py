"""What the tasks of a retraining share: their model, what they hand on, and which errors end the run."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from cyclone.errors import ConfigurationError, DataError, RehearsalError
from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec, find_model

log = logging.getLogger(__name__)
Values = dict[str, Any]


@contextmanager
def fail_without_retry() -> Iterator[None]:
    """Fail the task without a retry. The same rows and files would be as unusable, and the same candidate as bad."""
    try:
        yield
    except (ConfigurationError, DataError, RehearsalError) as error:
        raise AirflowFailException(str(error)) from error


def read_model(model: str) -> tuple[Settings, ModelSpec]:
    settings = read_settings()
    return settings, find_model(settings.models_dir, model)


def show_result(result: Any) -> Values:
    """Log a step's result and return it as plain values for the next one."""
    values = asdict(result)
    log.info("%s:\n%s", type(result).__name__, "\n".join(f"  {key}: {value}" for key, value in values.items()))
    return values
