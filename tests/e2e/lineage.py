"""What OpenLineage and MLflow were told of a retraining, as the loop left it."""

import json
import re
from pathlib import Path
from typing import Any

import requests

from cyclone.store import Store
from local_platform.platform_record import PlatformRecord
from tests.support.statements import execute

FIND_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
FIND_ADDRESSES = """SELECT row::text FROM "{table}" AS row WHERE row::text ~ '(127.0.0.1|localhost):[0-9]'"""
Thing = tuple[str, str, str | None]
"""Namespace, name and version of a dataset."""


def read_events(state_dir: Path, job: str) -> list[dict[str, Any]]:
    """The events of the jobs whose name begins so, oldest first."""
    lines = (state_dir / "openlineage.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["job"]["name"].startswith(job)]


def find_lineage(state_dir: Path, model: str) -> dict[str, dict[str, Any]]:
    """The event of each task of the newest retraining that names what it read, by task."""
    events = read_events(state_dir, f"retrain__{model}.")
    return {event["job"]["name"].split(".")[1]: event for event in events if event["inputs"]}


def list_things(things: list[dict[str, Any]]) -> list[Thing]:
    return [
        (item["namespace"], item["name"], item["facets"].get("version", {}).get("datasetVersion")) for item in things
    ]


def find_tags(event: dict[str, Any]) -> dict[str, str]:
    return {item["key"]: item["value"] for item in event["run"]["facets"]["tags"]["tags"]}


def read_assertions(event: dict[str, Any]) -> list[dict[str, Any]]:
    """The expectations that a task held its data to."""
    (data,) = event["inputs"]
    found: list[dict[str, Any]] = data["inputFacets"]["dataQualityAssertions"]["assertions"]
    return found


def read_mlflow(platform: PlatformRecord, path: str, **parameters: str) -> dict[str, Any]:
    """What MLflow's REST API answers."""
    address = f"{platform.build_address('mlflow')}/api/2.0/mlflow/{path}"
    reply = requests.get(address, params=parameters, timeout=30)
    reply.raise_for_status()
    answer: dict[str, Any] = reply.json()
    return answer


def fetch_page(platform: PlatformRecord, link: str) -> str:
    """The artifact that MLflow's page shows at a link of Airflow."""
    address = platform.build_address("mlflow")
    found = re.fullmatch(re.escape(address) + r"/#/experiments/\d+/runs/(\w+)/artifacts/(.+)", link)
    assert found is not None, link
    reply = requests.get(f"{address}/get-artifact", params={"run_uuid": found[1], "path": found[2]}, timeout=30)
    reply.raise_for_status()
    return reply.text


def find_addresses(platform: PlatformRecord, database: str) -> list[str]:
    """Every row that holds a port of this machine. Another start may have another one."""
    store = Store(platform.build_dsn(database))
    tables = [table for (table,) in execute(store, FIND_TABLES)]
    assert tables != []
    return [f"{table}: {row}" for table in tables for (row,) in execute(store, FIND_ADDRESSES.format(table=table))]


def read_tags(found: dict[str, Any]) -> dict[str, str]:
    """The tags of a run or a version as MLflow's REST API gives them."""
    return {tag["key"]: tag["value"] for tag in found.get("tags", [])}
