"""What OpenLineage calls the things of a retraining: a name holds no address that another start may change."""

from pathlib import Path
from typing import Any

import pytest

from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone_airflow import lineage_events
from cyclone_airflow.lineage_events import Thing


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


def test_what_a_step_read_and_made_has_the_standard_facets(bike_demand: ModelSpec) -> None:
    data = {"path": "/data/rows.parquet", "fingerprint": "f1", "rows": "3"}
    frame = lineage_events.locate_frame(bike_demand, data, [("hour", "is in range", False)])
    read: Any = lineage_events.build_dataset(frame, is_input=True)
    made: Any = lineage_events.build_dataset(frame, is_input=False)
    assert (read.namespace, read.name) == (made.namespace, made.name) == ("file", "/data/rows.parquet")
    assert {name: facet.datasetVersion for name, facet in read.facets.items() if name == "version"} == {"version": "f1"}
    columns = [(column.name, column.type) for column in read.facets["schema"].fields]
    assert (columns[:3], columns[-1]) == (
        [("id", "text"), ("created_at", "timestamp"), ("hour", "integer")],
        ("label", "integer"),
    )
    assert read.inputFacets["inputStatistics"].rowCount == made.outputFacets["outputStatistics"].rowCount == 3
    (held,) = read.inputFacets["dataQualityAssertions"].assertions
    assert (held.assertion, held.success, held.column) == ("is in range", False, "hour")


def test_a_thing_without_a_version_or_rows_claims_none() -> None:
    table: Any = lineage_events.build_dataset(Thing("postgres://cyclone", "cyclone.public.label"), is_input=True)
    assert (table.facets, table.inputFacets) == ({}, {})


def test_nothing_is_told_where_no_transport_is_named() -> None:
    """Outside a task there is no run to tell of: whatever were sent would fail."""
    lineage_events.tell([Thing("file", "/data/rows.parquet")], tags={"gate": "passed"})
