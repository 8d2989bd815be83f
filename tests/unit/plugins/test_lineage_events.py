"""What OpenLineage calls the things of a retraining: a name holds no address that another start may change."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone_airflow import lineage_events
from cyclone_airflow.lineage_events import Thing

NAMESPACE = "AIRFLOW__OPENLINEAGE__NAMESPACE"


@pytest.fixture(scope="module", autouse=True)
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An Airflow whose jobs are of the namespace `cyclone`; its provider reads that once."""
    home = tmp_path_factory.mktemp("airflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NAMESPACE, "cyclone")
        if "AIRFLOW_HOME" not in os.environ:
            patch.setenv("AIRFLOW_HOME", str(home))
        yield


def start_locally(port: int) -> Settings:
    """The settings of a local platform whose parts got the ports from `port` on."""
    return Settings.model_validate(
        {
            "store_dsn": f"postgresql://postgres@127.0.0.1:{port}/cyclone",
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port + 1}",
            "cloud_run_endpoint": f"http://127.0.0.1:{port + 2}",
            "image_repository": f"127.0.0.1:{port + 3}/cyclone",
        }
    )


def name_all(settings: Settings, spec: ModelSpec) -> list[Thing]:
    """Everything that a retraining tells of, but for files."""
    image = {"reference": "bike_demand@sha256:12", "digest": "sha256:12"}
    return [
        *lineage_events.locate_log(settings),
        lineage_events.locate_run(settings, {"mlflow_run_id": "run"}),
        lineage_events.locate_version(settings, spec, 2),
        lineage_events.locate_pushed_image(settings, image),
        lineage_events.locate_revision(settings, spec, "bike-demand-v2"),
        lineage_events.locate_traffic(settings, spec, "bike-demand-v2"),
    ]


def test_two_starts_on_other_ports_give_the_same_names(bike_demand: ModelSpec) -> None:
    first, second = (name_all(start_locally(port), bike_demand) for port in (5433, 20433))
    assert first == second
    assert first == [
        Thing("postgres://cyclone", "cyclone.public.prediction_log"),
        Thing("postgres://cyclone", "cyclone.public.label"),
        Thing("mlflow://cyclone", "runs/run/model"),
        Thing("mlflow://cyclone", "models/bike_demand", "2"),
        Thing("oci://cyclone", "cyclone/bike_demand", "sha256:12"),
        Thing("cloudrun://local/local", "bike-demand", "bike-demand-v2"),
        Thing("cloudrun://local/local", "bike-demand/traffic", "bike-demand-v2"),
    ]


def test_a_server_that_others_know_by_its_address_is_called_by_it(bike_demand: ModelSpec) -> None:
    settings = Settings.model_validate(
        {
            "store_dsn": "postgresql://cyclone:secret@db.example.com/cyclone",
            "MLFLOW_TRACKING_URI": "https://someone:secret@mlflow.example.com:8443/base",
            "image_repository": "europe-west1-docker.pkg.dev/project/cyclone",
        }
    )
    log, _, _, version, image, *_ = name_all(settings, bike_demand)
    assert (log.namespace, log.name) == ("postgres://db.example.com:5432", "cyclone.public.prediction_log")
    assert version.namespace == "mlflow://mlflow.example.com:8443"
    assert (image.namespace, image.name) == ("oci://europe-west1-docker.pkg.dev", "project/cyclone/bike_demand")


@pytest.mark.parametrize("dsn", ["postgresql://localhost/c", "dbname=c", "host=/run/postgres dbname=c", "host=::1"])
def test_a_store_on_this_machine_has_the_installations_name(dsn: str) -> None:
    assert {thing.namespace for thing in lineage_events.locate_log(Settings(store_dsn=dsn))} == {"postgres://cyclone"}


def test_a_bento_and_an_mlflow_that_is_a_file_need_no_server(bike_demand: ModelSpec, tmp_path: Path) -> None:
    image = lineage_events.locate_pushed_image(Settings(), {"reference": "bike_demand:v2", "digest": "sha256:12"})
    assert image == Thing("bento", "bike_demand:v2", "sha256:12")
    settings = Settings.model_validate({"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"})
    assert lineage_events.locate_version(settings, bike_demand, 2).namespace == f"mlflow:/{tmp_path}/mlflow.db"
