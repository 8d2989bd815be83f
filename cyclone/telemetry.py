"""No program that Cyclone starts reports to whoever made it: the switches of each, in one place.

Importing `cyclone` sets them, so every process of Cyclone has them, and so has whatever inherits its environment.
"""

import os
from collections.abc import Mapping

from cyclone.image_contract import DO_NOT_TRACK_VARIABLE

SERVING_SWITCHES: Mapping[str, str] = {
    # BentoML posts each start, build and command to t.bentoml.com. No value but "true" counts, in any case.
    DO_NOT_TRACK_VARIABLE: "True",
}
"""Those of what an image holds. A revision is told no others."""
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
"""All of them. Airflow 3 reports nothing, so it has none."""


def switch_off() -> None:
    """Set each switch that this process's environment does not set. Whoever sets one by hand keeps it."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
