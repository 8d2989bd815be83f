"""Events for OpenLineage: what each step of a retraining reads and makes.

They are sent where Airflow's `[openlineage]` section names a transport. The provider adds the run, the task and their
times. Without a transport nothing is imported and nothing happens.

The chain is: rows of the log → a Parquet file with its fingerprint → a trained model → a version → an image → a
revision → traffic.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclone.settings import Settings
from cyclone.spec import ModelSpec

if TYPE_CHECKING:
    from openlineage.client.event_v2 import Dataset

LOG_TABLES = ("prediction_log", "label")


@dataclass(frozen=True)
class Thing:
    """A thing that was read or made. OpenLineage calls it a dataset.

    `version` is a fingerprint, a number or a digest. `assertions` are what was asked of the thing, each as its column
    or None, the assertion, and whether it holds.
    """

    namespace: str
    name: str
    version: str = ""
    fields: Sequence[tuple[str, str]] = ()
    rows: int | None = None
    assertions: Sequence[tuple[str | None, str, bool]] = ()


def locate_log(settings: Settings) -> list[Thing]:
    """The tables that training rows come from, under the names that OpenLineage gives to tables of Postgres."""
    from cyclone.store import parse_address

    place = parse_address(settings.training_store_dsn)
    server = name_server(place.get("host", ""), place.get("port", "5432"))
    database = place.get("dbname", "")
    return [Thing(f"postgres://{server}", f"{database}.public.{table}") for table in LOG_TABLES]


def locate_frame(
    spec: ModelSpec, data: Mapping[str, Any], assertions: Sequence[tuple[str | None, str, bool]] = ()
) -> Thing:
    """The Parquet file of a dataset. Its version is the fingerprint."""
    fields = [
        ("id", "text"),
        ("created_at", "timestamp"),
        *((feature.name, feature.type) for feature in spec.features),
        ("label", spec.label.type),
    ]
    path = str(Path(data["path"]).resolve())
    return Thing("file", path, data["fingerprint"], fields, int(data["rows"]), assertions)


def locate_run(settings: Settings, challenger: Mapping[str, Any]) -> Thing:
    """The model in an MLflow run, before it is a version."""
    return Thing(_name_mlflow(settings), f"runs/{challenger['mlflow_run_id']}/model")


def locate_version(settings: Settings, spec: ModelSpec, version: int) -> Thing:
    """A version of the registered model."""
    return Thing(_name_mlflow(settings), f"models/{spec.name}", str(version))


def locate_pushed_image(settings: Settings, image: Mapping[str, Any]) -> Thing:
    """An image in its registry, or a Bento in the local store. Its version is the digest."""
    from training.images.image import locate_image

    reference = locate_image(settings, str(image["reference"])).split("@")[0]
    address, _, path = reference.partition("/")
    if not path:
        return Thing("bento", reference, str(image["digest"]))
    host, _, port = address.partition(":")
    return Thing(f"oci://{name_server(host, port)}", path, str(image["digest"]))


def locate_revision(settings: Settings, spec: ModelSpec, revision: str) -> Thing:
    """A revision of the model's service on Cloud Run."""
    return Thing(_name_cloud_run(settings), spec.service_name, revision)


def locate_traffic(settings: Settings, spec: ModelSpec, revision: str) -> Thing:
    """The traffic of the model's service. Its version is the revision that answers it."""
    return Thing(_name_cloud_run(settings), f"{spec.service_name}/traffic", revision)


def tell(inputs: Sequence[Thing], outputs: Sequence[Thing] = (), tags: Mapping[str, str] | None = None) -> None:
    """Tell OpenLineage what the running task read and made, with tags of its run.

    A lineage server that fails stops no task.
    """
    from airflow.providers.openlineage import conf

    if conf.is_disabled():
        return
    from airflow.providers.openlineage.api import emit_dataset_lineage
    from openlineage.client.facet_v2 import tags_run

    marked = [tags_run.TagsRunFacetFields(key, value, source="CYCLONE") for key, value in (tags or {}).items()]
    emit_dataset_lineage(
        inputs=[build_dataset(thing, is_input=True) for thing in inputs],
        outputs=[build_dataset(thing, is_input=False) for thing in outputs],
        additional_run_facets={"tags": tags_run.TagsRunFacet(marked)} if marked else None,
    )


def build_dataset(thing: Thing, is_input: bool) -> "Dataset":
    """The thing as OpenLineage's dataset, with the standard facets."""
    from openlineage.client.event_v2 import InputDataset, OutputDataset
    from openlineage.client.facet_v2 import (
        data_quality_assertions_dataset,
        dataset_version_dataset,
        input_statistics_input_dataset,
        output_statistics_output_dataset,
        schema_dataset,
    )

    facets: dict[str, Any] = {}
    if thing.version:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(thing.version)
    if thing.fields:
        columns = [schema_dataset.SchemaDatasetFacetFields(name=name, type=kind) for name, kind in thing.fields]
        facets["schema"] = schema_dataset.SchemaDatasetFacet(fields=columns)
    seen: dict[str, Any] = {}
    if thing.rows is not None and is_input:
        seen["inputStatistics"] = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(thing.rows)
    elif thing.rows is not None:
        seen["outputStatistics"] = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(thing.rows)
    if thing.assertions:
        quality = data_quality_assertions_dataset
        held = [quality.Assertion(text, success, column) for column, text, success in thing.assertions]
        seen["dataQualityAssertions"] = quality.DataQualityAssertionsDatasetFacet(assertions=held)
    if is_input:
        return InputDataset(namespace=thing.namespace, name=thing.name, facets=facets, inputFacets=seen)
    return OutputDataset(namespace=thing.namespace, name=thing.name, facets=facets, outputFacets=seen)


def name_server(host: str, port: str | int | None) -> str:
    """The name of a server: its address, or on loopback the OpenLineage namespace of Airflow's jobs.

    A loopback address is another server on each machine. The local platform may also have another port after its next
    start.
    """
    if is_loopback(host):
        from airflow.providers.openlineage import conf

        return str(conf.namespace())
    return f"{host}:{port}" if port else host


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, given as a name, an address, or the folder of a socket."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("", "localhost") or host.startswith("/")


def _name_cloud_run(settings: Settings) -> str:
    return f"cloudrun://{settings.cloud_run_project}/{settings.cloud_run_location}"


def _name_mlflow(settings: Settings) -> str:
    """The address of the tracking server without its user and password. For a local file it is the file's path."""
    from urllib.parse import urlsplit

    parts = urlsplit(settings.mlflow_uri)
    return f"mlflow:{parts.path}" if parts.hostname is None else f"mlflow://{name_server(parts.hostname, parts.port)}"
