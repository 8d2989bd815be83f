import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from local_platform.airflow import AirflowPlace, airflow_environment

SECRETS = ("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET")


def test_parts_that_start_side_by_side_get_the_same_secrets_readable_to_us_alone(tmp_path: Path) -> None:
    place = AirflowPlace(tmp_path, "postgresql://127.0.0.1:1/airflow", 8080)
    together = Barrier(8)

    def draw(_: int) -> tuple[str, ...]:
        together.wait()
        variables = airflow_environment(place)
        return tuple(variables[name] for name in SECRETS)

    with ThreadPoolExecutor(8) as pool:
        drawn = set(pool.map(draw, range(8)))
    assert len(drawn) == 1
    (kept,) = place.home.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_lineage_stays_on_this_machine_unless_the_user_names_another_transport(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = AirflowPlace(tmp_path, "postgresql://127.0.0.1:1/airflow", 8080)
    name = "AIRFLOW__OPENLINEAGE__TRANSPORT"
    assert json.loads(airflow_environment(place)[name]) == {
        "type": "file",
        "log_file_path": str(tmp_path / "openlineage.jsonl"),
        "append": True,
    }
    monkeypatch.setenv(name, '{"type": "http", "url": "http://marquez:5000"}')
    assert airflow_environment(place)[name] == '{"type": "http", "url": "http://marquez:5000"}'
