"""`python -m local_platform.compose draw-secrets|prepare`: what the stack needs once, before its parts start.

Both are safe to run again, and `docker compose up` runs both each time.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cyclone.errors import CycloneError
from cyclone.grafana.access import ROLE, connect_grafana
from cyclone.settings import Settings, read_settings
from cyclone.store import Store, parse_address
from local_platform.airflow import AirflowPlace, migrate_airflow
from local_platform.compose.databases import ensure_databases, let_in
from local_platform.compose.secret_files import (
    ADMINISTRATOR,
    ROLES,
    SECRETS_DIR,
    draw_secrets,
    read_role_password,
)

COMMAND = "python -m local_platform.compose"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the steps and return the exit code."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("step", choices=("draw-secrets", "prepare"))
    step = parser.parse_args(arguments).step
    try:
        if step == "draw-secrets":
            draw_secrets()
        else:
            prepare_store(read_settings(), os.environ["AIRFLOW__API__BASE_URL"])
            prepare_airflow()
    except CycloneError as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return 1
    return 0


def prepare_store(settings: Settings, airflow: str, folder: Path = SECRETS_DIR) -> None:
    """Make roles and databases, bring the store up to date, and let Grafana in.

    `airflow` is the address of Airflow's pages, which dashboards link on to.
    """
    place = parse_address(settings.store_dsn)
    server = f"postgresql://{ADMINISTRATOR}@{place['host']}:{place['port']}"
    passfile = f"?passfile={folder}/postgres/pgpass"
    passwords = {role: read_role_password(folder / owner / "pgpass") for owner, role in ROLES.items()}
    ensure_databases(f"{server}/postgres{passfile}", passwords)
    applied = Store(settings.store_dsn).migrate()
    print(f"applied: {', '.join(applied)}" if applied else "the store is up to date", flush=True)
    # As the administrator, because the store's owner may make no role.
    administrated = Store(f"{server}/{ROLES['store']}{passfile}")
    addresses = {"airflow": airflow, "mlflow": settings.mlflow_uri}
    connect_grafana(administrated, folder / "grafana" / "store-password", addresses)
    let_in(administrated.dsn, ROLE, ROLES["store"])


def prepare_airflow() -> None:
    """Bring Airflow's tables up to date."""
    dsn = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("postgresql+psycopg2://", "postgresql://", 1)
    migrate_airflow(AirflowPlace(Path(os.environ["AIRFLOW_HOME"]), dsn, 0), os.environ)


if __name__ == "__main__":
    sys.exit(main())
