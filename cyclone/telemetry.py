"""The environment variables that keep programs from reporting to those who made them.

Importing `cyclone` sets them. So every process of Cyclone has them, and so has every process that it starts.
"""

import os
from collections.abc import Mapping

from cyclone.image_contract import DO_NOT_TRACK_VARIABLE

SERVING_SWITCHES: Mapping[str, str] = {
    # BentoML posts each start, build and command to t.bentoml.com. No value but "true" counts, in any case.
    DO_NOT_TRACK_VARIABLE: "True",
}
"""The variables for programs in an image. A revision gets no others."""
SWITCHES: Mapping[str, str] = {
    **SERVING_SWITCHES,
    # MLflow's client and server ask a host of its makers what to report. The server hands the answer on to its pages.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # What Great Expectations documents. Its releases since 1.20 have nothing left to switch off.
    "GX_ANALYTICS_ENABLED": "False",
    # A convention of many programs. MLflow follows it, and so does Evidently, which the benchmarks start.
    "DO_NOT_TRACK": "true",
    # NannyML, which the benchmarks start, reports every fit to a company that counts usage.
    "NML_DISABLE_USAGE_LOGGING": "1",
}
"""The variables of all programs. Airflow 3 reports nothing, so it needs none."""


def switch_off() -> None:
    """Set each variable that the environment does not set yet. A value that a person has set stays."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
