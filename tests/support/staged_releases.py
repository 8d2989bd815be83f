"""What tests of releases share: bare versions, candidates of a small image, and what serves now."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
import yaml

from cyclone.names import name_revision
from cyclone.releases import create_candidate, promote_release
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.aliases import find_alias
from releasing.candidate import Candidate, deploy_candidate
from releasing.cloud_run import CloudRun
from releasing.promotion import promote
from training.data.dataset import build_dataset
from training.fit.train import train_challenger
from training.gate.comparison import compare_with_champion
from training.images.image import Image, build_image
from training.registry import register_challenger
from training.tracking.client import CHALLENGER, connect

HERE = Path(__file__).resolve().parent
SERVICE = "bike-demand"
StartCloudRun = Callable[..., Settings]
FLUSH = (
    "INSERT INTO request_stat (instance_id, flush_number, model, version, revision, bucket_start, requests, rejected,"
    " failures, latency_ms_sum, latency_counts, stored_at)"
    " SELECT %(revision)s || clock_timestamp(), number, 'bike_demand', 1, %(revision)s, now(), 100, 0, %(failures)s,"
    " 1000, '{}', now() - number * interval '1 second' FROM generate_series(1, %(flushes)s) AS number"
)


def register_versions(settings: Settings, count: int) -> None:
    """Bare versions in MLflow, for tests that only look at aliases."""
    client = connect(settings)
    client.create_registered_model("bike_demand")
    for number in range(1, count + 1):
        client.create_model_version("bike_demand", source=f"file:///nowhere/{number}")
        client.set_registered_model_alias("bike_demand", CHALLENGER, str(number))


def write_model(spec: ModelSpec, models_dir: Path) -> None:
    """Write the model.yaml of a spec, beside an empty pipeline.py."""
    folder = models_dir / spec.name
    folder.mkdir(parents=True)
    (folder / "model.yaml").write_text(yaml.safe_dump(spec.model_dump(mode="json", exclude_defaults=True)))
    (folder / "pipeline.py").touch()


def record_champion(store: Store, model: str, version: int, at: datetime) -> None:
    """Let the release record name a version, without any traffic or alias."""
    revision = name_revision(model, version)
    release = create_candidate(store, model, version, revision, "image", "digest", f"recorded_{version}", at)
    promote_release(store, release, at)


def deploy(
    settings: Settings, spec: ModelSpec, version: int, image: str = str(HERE / "cloud_run_image.py")
) -> Candidate:
    return deploy_candidate(settings, spec, version, Image(image, f"sha256:{version}"), f"run_{version}")


def deploy_trained(settings: Settings, spec: ModelSpec) -> tuple[Candidate, int]:
    """The candidate of a version that was trained on what was known on 2 February 2011, and the version."""
    dataset = build_dataset(settings, spec, "run_1", datetime(2011, 2, 2, tzinfo=UTC))
    challenger = train_challenger(settings, spec, dataset, "run_1")
    gate = compare_with_champion(settings, spec, dataset, challenger)
    version = register_challenger(settings, spec, challenger, gate).version
    return deploy_candidate(settings, spec, version, build_image(settings, spec, version), "run_1"), version


def release_version(settings: Settings, spec: ModelSpec, version: int) -> Candidate:
    candidate = deploy(settings, spec, version)
    promote(settings, spec, candidate)
    return candidate


def read_percents(settings: Settings) -> dict[str, int]:
    running = CloudRun(settings).read_service(SERVICE)
    assert running is not None
    return running.percents


def read_states(store: Store) -> list[tuple[Any, ...]]:
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("SELECT version, state, traffic_percent FROM release ORDER BY release_id")
        return cursor.fetchall()


def read_alias(settings: Settings, alias: str) -> int | None:
    return find_alias(settings, "bike_demand", alias)


def ask_who(address: str) -> str:
    return str(requests.get(address, timeout=30).json()["environment"]["K_REVISION"])


def answer(store: Store, revision: str, flushes: int = 20, failures: int = 0) -> None:
    """Store what a revision's instances told of 100 requests in each of the last seconds, `failures` of them failed."""
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(FLUSH, {"revision": revision, "flushes": flushes, "failures": failures})


def begin_earlier(store: Store) -> None:
    """Let the canary's step under way have begun before the seconds of `answer`."""
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("UPDATE release_step SET started_at = now() - interval '25 seconds' WHERE ended_at IS NULL")
