"""What the tests of the webhooks share: the secret, the app over real HTTP, and reading of answers."""

from datetime import timedelta
from typing import Any

from cyclone.settings import Settings
from cyclone.store import Store
from cyclone_airflow.webhook_app import build_app
from tests.support.serving_apps import serve_app
from tests.support.statements import execute

SECRET = "a-secret-of-thirty-two-characters"
RISEN = {"cyclone": "retrain", "model": "bike_demand"}
MINUTE = timedelta(minutes=1)


def serve(settings: Settings, woken: list[tuple[str, str]], is_airflow_there: bool = True) -> Any:
    def wake(model: str, run_id: str) -> bool:
        if (model, run_id) not in woken:  # Airflow has a run of an id once
            woken.append((model, run_id))
        return is_airflow_there

    return serve_app(build_app(settings, wake))


def count(store: Store, table: str) -> int:
    return int(execute(store, f"SELECT count(*) FROM {table}")[0][0])


def read_results(reply: tuple[int, Any]) -> list[tuple[str, str]]:
    return [(item["result"], item["reason"]) for item in reply[1]["alerts"]]
