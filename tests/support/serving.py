"""A service as its clients see it: a packed bundle, a real process of BentoML, real HTTP."""

import csv
import http.client
import importlib.util
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclone.image_contract import (
    BENTOML_HOME_VARIABLE,
    DO_NOT_TRACK_VARIABLE,
    MODEL_PATH,
    PIPELINE_FILE,
    RELEASE_FILE,
    REVISION_VARIABLE,
    SERVICE_TARGET,
    SPEC_FILE,
    SPECS_FOLDER,
    STORE_DSN_VARIABLE,
    TREES_KEY,
    TREES_PATH,
)
from cyclone.rows.frames import inputs_from_rows
from cyclone.sections import Feature
from cyclone.spec import ModelSpec, load_model_spec
from cyclone.store import Store
from local_platform.processes import GuardedProcess, free_port, wait_until_ready
from training.images.trees import write_trees

TARGET = SERVICE_TARGET
REPOSITORY = Path(__file__).resolve().parents[2]
MODEL = REPOSITORY / "models" / "bike_demand"
START_SECONDS = 120
ROW = {
    "hour": 8,
    "weekday": 2,
    "workingday": True,
    "holiday": False,
    "season": 1,
    "weather": "clear",
    "temperature": 0.3,
    "humidity": 0.5,
    "wind": 0.1,
}


@dataclass
class Service:
    """A running service and what it writes to."""

    port: int
    process: GuardedProcess
    store: Store

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read().decode()
            is_json = response.headers.get_content_type() == "application/json"
            return response.status, json.loads(text) if is_json else text

    def predict(self, *rows: Any, **more: Any) -> tuple[int, Any]:
        return self.call("POST", "/predict", {"rows": rows, **more})

    def label(self, *labels: Any) -> tuple[int, Any]:
        return self.call("POST", "/labels", {"labels": labels})

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.store.transaction() as transaction, transaction.connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()

    def read_metric(self, line_start: str) -> float:
        """The sum of what begins so on the page for Prometheus."""
        lines = self.call("GET", "/metrics")[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(line_start))

    def read_rows(self, ids: list[str]) -> list[tuple[Any, ...]]:
        return self.query(
            "SELECT id, version, revision, input, prediction, created_at::text FROM prediction_log"
            " WHERE id = ANY(%s) ORDER BY id",
            ids,
        )

    def read_ledger(self) -> list[tuple[Any, ...]]:
        """What is unaccounted for, and whether the instance has signed off."""
        return self.query("SELECT unaccounted, is_stopped FROM log_completeness")


def wait_until(is_true: Callable[[], bool], what: str, deadline_seconds: float = 60) -> None:
    deadline = time.monotonic() + deadline_seconds
    while not is_true():
        assert time.monotonic() < deadline, f"{what}: not so after {deadline_seconds} s"
        time.sleep(0.02)


def fit_estimator(spec: ModelSpec) -> Any:
    """The model's own pipeline, fitted on its first days."""
    module_spec = importlib.util.spec_from_file_location("bike_pipeline", MODEL / PIPELINE_FILE)
    assert module_spec is not None
    assert module_spec.loader is not None
    pipeline = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(pipeline)
    with (MODEL / "data" / "bikeshare_2011.csv").open() as file:
        records = [record for record, _ in zip(csv.DictReader(file), range(300), strict=False)]
    rows = [{feature.name: parse(feature, record[feature.name]) for feature in spec.features} for record in records]
    return pipeline.build_estimator().fit(inputs_from_rows(spec, rows), [int(record["bikers"]) for record in records])


def parse(feature: Feature, text: str) -> Any:
    return json.loads(text) if feature.type in ("integer", "number", "boolean") else text


def pack_bundle(root: Path, model: Path = MODEL, estimator: Any = None) -> None:
    """Lay out a packed model: what an image holds. Without an estimator it is the one of bike demand, fitted."""
    import skops.io

    estimator = estimator or fit_estimator(load_model_spec(model))
    for package in ("bento_service", "cyclone", "sql"):
        shutil.copytree(REPOSITORY / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    (root / SPECS_FOLDER / model.name).mkdir(parents=True)
    for name in (SPEC_FILE, PIPELINE_FILE):
        shutil.copy(model / name, root / SPECS_FOLDER / model.name)
    (root / MODEL_PATH).parent.mkdir()
    skops.io.dump(estimator, root / MODEL_PATH)
    trusted = skops.io.get_untrusted_types(file=root / MODEL_PATH)
    release = {"model": model.name, "version": 3, "mlflow_run_id": "run", "trusted_types": trusted}
    if link := write_trees(load_model_spec(model), estimator, root / TREES_PATH):
        release[TREES_KEY] = link
    (root / RELEASE_FILE).write_text(json.dumps(release))


@contextmanager
def run_service(
    bundle: Path,
    store: Store,
    folder: Path,
    target: str,
    home: Path,
    variables: Mapping[str, str] | None = None,
    port: int = 0,
) -> Iterator[Service]:
    port = port or free_port(0)
    env = {
        **os.environ,
        BENTOML_HOME_VARIABLE: str(home),
        DO_NOT_TRACK_VARIABLE: "True",
        STORE_DSN_VARIABLE: store.dsn,
        REVISION_VARIABLE: "bike-demand-v3",
        "PYTHONWARNINGS": "default",
        **(variables or {}),
    }
    command = [sys.executable, "-m", "bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(port)]
    with GuardedProcess.start("service", command, env, folder / "service.log", cwd=bundle) as process:
        wait_until_ready(f"http://127.0.0.1:{port}/readyz", START_SECONDS, process)
        yield Service(port, process, store)
