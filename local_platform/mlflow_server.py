"""The MLflow server of one machine. Tracking and registry are in the embedded Postgres, artifacts on disk."""

import sys
from pathlib import Path

from cyclone.telemetry import SWITCHES
from local_platform.inheritance import inherit
from local_platform.processes import GuardedProcess

# The time that MLflow may take to end after SIGTERM. Then it is killed. The value is a choice.
_STOP_SECONDS = 10.0
_SETTINGS = {
    **SWITCHES,
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # a job runner and its workers, for generative models
}


def start_mlflow(state_dir: Path, dsn: str, port: int) -> GuardedProcess:
    """Start `mlflow server` on 127.0.0.1:`port`. It answers /health once its schema is up to date."""
    artifacts = state_dir / "mlflow" / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    arguments = {
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
        "--backend-store-uri": dsn.replace("postgresql://", "postgresql+psycopg2://", 1),
        "--artifacts-destination": artifacts.resolve().as_uri(),
    }
    options = [part for pair in arguments.items() for part in pair]
    return GuardedProcess.start(
        "MLflow",
        [sys.executable, "-m", "mlflow", "server", *options],
        inherit() | _SETTINGS,
        state_dir / "logs" / "mlflow.log",
        grace_seconds=_STOP_SECONDS,
    )
