"""The task that corrects a champion, where there is nothing to correct or somebody who is not there."""

from typing import Any

import pytest

from cyclone.errors import ConfigurationError
from cyclone.settings import Settings
from cyclone.store import Store
from cyclone_airflow.recalibrate_task import recalibrate_task
from tests.support.statements import execute


class DagRun:
    """A run that was triggered without a configuration."""

    conf: dict[str, str] | None = None


CONTEXT: dict[str, Any] = {"run_id": "run", "dag_run": DagRun(), "data_interval_end": "2011-03-08T00:00:00+00:00"}


def test_a_model_that_does_not_serve_is_not_corrected(store: Store, settings: Settings) -> None:
    assert recalibrate_task.function("bike_demand", **CONTEXT) == "no version serves"
    assert execute(store, "SELECT count(*) FROM calibration") == [(0,)]


def test_a_model_that_is_gone_is_named(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="no_such_model"):
        recalibrate_task.function("no_such_model", **CONTEXT)
