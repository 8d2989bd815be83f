from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

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
